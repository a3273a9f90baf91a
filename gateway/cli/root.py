"""The `gateway` command; heavy imports happen inside the commands that need them.

Commands of a few lines stand here; what they call, and all others, in files of their own.
"""

import sys
from typing import Any

import click

from gateway import __version__, redaction
from gateway.cli.db import db
from gateway.cli.desk import alerts, chain, orders, positions
from gateway.cli.feed import feed
from gateway.cli.run import run
from gateway.cli.serve import serve
from gateway.cli.simulator import simulator
from gateway.cli.start import PORT, one_line_errors, only_given, serve_demo
from gateway.cli.viewer import viewer


class _Gateway(click.Group):
    """The command; whatever it writes goes through the redaction."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        redaction.install()
        return super().main(*args, **kwargs)


@click.group(cls=_Gateway, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="gateway %(version)s")
def main() -> None:
    """A live gateway for Tastytrade."""


@click.command()
@click.option("--host", help="Address to listen on [default: HOST, else 127.0.0.1].")
@click.option("--port", type=PORT, help="Port to listen on [default: PORT, else 8000].")
@click.option("--open", "is_opened", is_flag=True, help="Open the page in a browser.")
@click.option("--seed", type=int, help="Of the simulated market.")
@click.option("--rate", type=float, help="Speed of the simulated market.")
def demo(
    host: str | None, port: int | None, is_opened: bool, seed: int | None, rate: float | None
) -> None:
    """Serve a simulated market: nothing to set, nothing real."""
    with one_line_errors():
        status = serve_demo(is_opened, seed, rate, **only_given(host=host, port=port))
    sys.exit(status)


@click.command()
@click.argument("symbols", nargs=-1)
@click.option("--url", help="Of the gateway [default: this machine, at PORT, else 8000].")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--types", help="Event types, separated by commas [default: quotes and balances].")
@click.option("--rate", type=float, help="At most so many updates a second for each symbol.")
def tail(
    symbols: tuple[str, ...], url: str | None, as_json: bool, types: str | None, rate: float | None
) -> None:
    """Print the events of a running gateway as they come.

    The token, where one is needed, is read as the server reads it: from GATEWAY_TOKEN,
    GATEWAY_TOKEN_FILE or the file `.env`.
    """
    with one_line_errors():
        from gateway.cli.tail import follow
        from gateway.settings import load_settings

        settings = load_settings()
        token = None if settings.token is None else settings.token.get_secret_value()
        url = url or f"http://127.0.0.1:{settings.port}{settings.root_path}"
        status = follow(url, symbols, token=token, as_json=as_json, types=types, rate=rate)
    sys.exit(status)


@click.command()
def check() -> None:
    """Say what works, what does not, and what to do."""
    from gateway.cli.check import run

    sys.exit(run())


for _command in (
    *(run, demo, serve, feed, tail, positions, orders, chain, alerts, viewer, db, check, simulator),
):
    main.add_command(_command)
