"""The real gateway: its app, its socket, its uvicorn, its settings; only the feed is ours.

Started by `bench.servers` as `python -m bench.gateway_server SYMBOLS`, settings in the environment.
"""

import asyncio
import signal
import sys

from bench.process import raise_file_limit
from bench.publish import follow_orders, read_symbols, tell
from gateway.app import build_app, create_context
from gateway.server.server import Server, open_socket, set_up_logging
from gateway.settings import load_settings


def main() -> None:
    """Serve until the standard input ends."""
    raise_file_limit()
    tape = read_symbols(sys.argv)
    settings = load_settings(symbols=tape.symbols)
    set_up_logging(settings.log_level, settings.secrets)
    context = create_context(settings)
    publish = context.hub.publish

    async def feed() -> None:
        await follow_orders(lambda seq, at_ns: publish(tape.quote(seq, at_ns)))
        signal.raise_signal(signal.SIGTERM)
        await asyncio.Event().wait()

    app = build_app(context, feed)
    listener = open_socket(settings.host, settings.port)
    port = listener.getsockname()[1]
    Server(app, settings.server, on_ready=lambda: tell({"port": port})).run(sockets=[listener])


if __name__ == "__main__":
    main()
