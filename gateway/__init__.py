"""A live gateway for Tastytrade: one upstream connection, fanned out over Server-Sent Events."""

__version__ = "0.1.0"
