"""A stand-in Tastytrade over real sockets; only the command line starts it."""
