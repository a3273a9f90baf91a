"""The `gateway` command; heavy imports happen inside the commands that need them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from gateway import __version__

if TYPE_CHECKING:
    from socket import socket

    from gateway.settings import Settings

PORT = click.IntRange(0, 65535)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Ends with one line and status 2 for what a person can mend, status 1 for other failures."""
    from gateway.streams.events import ConfigurationError, GatewayError

    try:
        yield
    except GatewayError as error:
        click.echo(f"gateway: {error}", err=True)
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)


def _open_listener(settings: "Settings") -> "socket":
    """The listening socket; what is wrong is told before anything heavy is imported or started."""
    from gateway.server import open_socket
    from gateway.web.auth import open_access

    open_access(settings)
    return open_socket(settings.host, settings.port)


@click.group()
@click.version_option(__version__, message="gateway %(version)s")
def main() -> None:
    """A live gateway for Tastytrade."""


@main.command()
@click.option("--port", type=PORT, default=8000, show_default=True, help="0 for any free one.")
@click.option("--open", "is_opened", is_flag=True, help="Open the page in a browser.")
@click.option("--seed", type=int, help="Of the simulated market.")
@click.option("--rate", type=float, help="Speed of the simulated market.")
def demo(port: int, is_opened: bool, seed: int | None, rate: float | None) -> None:
    """Serve a simulated market: nothing to set, nothing real."""

    def open_page(url: str) -> None:
        if is_opened:
            import threading
            import webbrowser

            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    with _one_line_errors():
        from gateway.demo import create_settings, open_simulator

        settings = create_settings(port=port)
        with _open_listener(settings) as listener, open_simulator(seed=seed, rate=rate) as wait:
            # While the simulator starts.
            from gateway.app import create_app
            from gateway.server import serve

            settings = create_settings(wait(), port=port)
            status = serve(create_app(settings), settings, listener, on_ready=open_page)
    sys.exit(status)


@main.command()
@click.option("--host", help="Address to listen on [default: HOST, else 127.0.0.1].")
@click.option("--port", type=PORT, help="Port to listen on [default: PORT, else 8000].")
def serve(host: str | None, port: int | None) -> None:
    """Serve the live market and your accounts."""
    with _one_line_errors():
        from gateway.settings import load_settings
        from gateway.streams.events import ConfigurationError

        given = {"host": host, "port": port}
        settings = load_settings(
            **{name: value for name, value in given.items() if value is not None}
        )
        for variable, value in (
            ("TT_SECRET", settings.tt_secret),
            ("TT_REFRESH", settings.tt_refresh),
        ):
            if value is None:
                raise ConfigurationError(
                    f"{variable}: is not set; set TT_SECRET and TT_REFRESH, or try `gateway demo`"
                )
        with _open_listener(settings) as listener:
            from gateway.app import create_app
            from gateway.server import serve

            status = serve(create_app(settings), settings, listener)
    sys.exit(status)


@main.command()
@click.argument("symbols", nargs=-1)
@click.option("--url", default="http://127.0.0.1:8000", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--types", help="Event types, separated by commas [default: quotes and balances].")
@click.option("--rate", type=float, help="At most so many updates a second for each symbol.")
def tail(
    symbols: tuple[str, ...], url: str, as_json: bool, types: str | None, rate: float | None
) -> None:
    """Print the events of a running gateway as they come.

    The token, where one is needed, is read from GATEWAY_TOKEN.
    """
    with _one_line_errors():
        from gateway.tail import follow

        status = follow(url, symbols, as_json=as_json, types=types, rate=rate)
    sys.exit(status)


@main.command()
def check() -> None:
    """Say what works, what does not, and what to do."""
    from gateway.check import run

    sys.exit(run())


@main.command()
@click.option("--port", type=PORT, default=0, show_default="any free port")
@click.option("--seed", type=int, default=7, show_default=True)
@click.option("--rate", type=float, default=1.0, show_default=True)
@click.option("--market", type=click.Choice(["open", "closed"]), default="open", show_default=True)
@click.option("--until-stdin-closes", is_flag=True, help="End when standard input is closed.")
def simulator(port: int, seed: int, rate: float, market: str, until_stdin_closes: bool) -> None:
    """Serve a stand-in Tastytrade on loopback and print where it is as one line of JSON."""
    if until_stdin_closes:
        _end_with_stdin()
    from gateway.simulator.app import run

    run(port=port, seed=seed, rate=rate, market="open" if market == "open" else "closed")


def _end_with_stdin() -> None:
    """Send ourselves SIGTERM when standard input ends: then who started us is gone."""
    import os
    import signal
    import threading

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="stdin", daemon=True).start()
