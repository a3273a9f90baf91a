"""Lists, preferences, sealed secrets, and the map of symbols."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "watchlist",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "watchlist_entry",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("symbol", sa.String(128), primary_key=True),
        sa.Column("place", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(
            ["owner", "name"], ["watchlist.owner", "watchlist.name"], ondelete="CASCADE"
        ),
    )
    op.create_table(
        "preference",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(128), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "secret",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("purpose", sa.String(128), primary_key=True),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "symbol_map",
        sa.Column("broker_symbol", sa.String(128), primary_key=True),
        sa.Column("streamer_symbol", sa.String(128), nullable=False),
        sa.Column("instrument_type", sa.String(64), nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("symbol_map_streamer", "symbol_map", ["streamer_symbol"])
