"""The tables as they are now; `migrations/` says how they came to be so.

`owner` is a viewer's id, or the owner's name. Times are milliseconds since the epoch.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

HEAD = "0002"
"""The newest revision: a database that has it needs no migration, and Alembic is not imported."""

METADATA = MetaData()

WATCHLIST = Table(
    "watchlist",
    METADATA,
    Column("owner", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
)

WATCHLIST_ENTRY = Table(
    "watchlist_entry",
    METADATA,
    Column("owner", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("symbol", String(128), primary_key=True),
    Column("place", Integer, nullable=False),
    ForeignKeyConstraint(
        ["owner", "name"], ["watchlist.owner", "watchlist.name"], ondelete="CASCADE"
    ),
)

PREFERENCE = Table(
    "preference",
    METADATA,
    Column("owner", String(64), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
)

SECRET = Table(
    "secret",
    METADATA,
    Column("owner", String(64), primary_key=True),
    Column("purpose", String(128), primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
)

SYMBOL_MAP = Table(
    "symbol_map",
    METADATA,
    Column("broker_symbol", String(128), primary_key=True),
    Column("streamer_symbol", String(128), nullable=False),
    Column("instrument_type", String(64), nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Index("symbol_map_streamer", "streamer_symbol"),
)

ALERT = Table(
    "alert",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("rule", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Index("alert_owner", "owner"),
)

ALERT_FIRING = Table(
    "alert_firing",
    METADATA,
    Column("alert", String(32), primary_key=True),
    Column("arm", Integer, primary_key=True),
    Column("firing", Text, nullable=False),
    ForeignKeyConstraint(["alert"], ["alert.id"], ondelete="CASCADE"),
)

ALERT_CHANGE = Table(
    "alert_change",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
)

OWNED = (ALERT, WATCHLIST_ENTRY, WATCHLIST, PREFERENCE, SECRET)
"""The tables with rows of a person, in the order in which they can be emptied."""
