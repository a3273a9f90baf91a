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

HEAD = "0001"
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

OWNED = (WATCHLIST_ENTRY, WATCHLIST, PREFERENCE, SECRET)
"""The tables with rows of a person, in the order in which they can be emptied."""
