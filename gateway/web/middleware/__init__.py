"""ASGI middleware, one job each."""
