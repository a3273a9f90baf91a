"""The simulated market: what is listed, what it costs and how it moves; pure."""
