"""The market data protocol: one connection, its channels, and events as rows."""
