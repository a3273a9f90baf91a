"""The `gateway` command; heavy imports happen inside the commands that need them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from gateway import __version__, redaction

if TYPE_CHECKING:
    from pathlib import Path
    from socket import socket

    from gateway.settings import Settings

PORT = click.IntRange(0, 65535)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Ends with one line and status 2 for what a person can mend, status 1 for other failures."""
    from gateway.errors import ConfigurationError, GatewayError

    try:
        yield
    except GatewayError as error:
        click.echo(f"gateway: {error}", err=True)
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)


def _open_listener(settings: "Settings") -> "socket":
    """The listening socket; what is wrong is told before anything heavy is imported or started."""
    from gateway.server.server import open_socket
    from gateway.web.auth.authenticator import create_authenticator

    create_authenticator(settings)
    return open_socket(settings.host, settings.port)


class _Gateway(click.Group):
    """The command; whatever it writes goes through the redaction."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        redaction.install()
        return super().main(*args, **kwargs)


@click.group(cls=_Gateway, context_settings={"help_option_names": ["-h", "--help"]})
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
    with _one_line_errors():
        status = _serve_demo(is_opened, seed, rate, port=port)
    sys.exit(status)


@main.command()
@click.argument("pages", required=False, metavar="[FILE_OR_FOLDER]")
@click.option("--port", type=PORT, help="Port to listen on [default: PORT, else 8000].")
@click.option("--open", "is_opened", is_flag=True, help="Open the page in a browser.")
def run(pages: str | None, port: int | None, is_opened: bool) -> None:
    """Serve your own pages, and follow their file as you save it.

    With TT_SECRET and TT_REFRESH on the live market, else on a simulated one.
    """
    with _one_line_errors():
        from gateway.settings import load_settings

        given = {"pages": pages, "port": port}
        given = {name: value for name, value in given.items() if value is not None}
        settings = load_settings(**given)
        if not settings.has_credentials:
            status = _serve_demo(is_opened, None, None, **given)
        else:
            status = _serve(settings, is_opened, pages)
    sys.exit(status)


def _serve_demo(is_opened: bool, seed: int | None, rate: float | None, **given: Any) -> int:
    from gateway.cli.demo import create_settings, open_simulator

    settings = create_settings(**given)
    _check_pages(settings, given.get("pages"))
    with _open_listener(settings) as listener, open_simulator(seed=seed, rate=rate) as wait:
        # While the simulator starts.
        from gateway.app import create_app
        from gateway.server.server import serve

        settings = create_settings(wait(), **given)
        open_page = _open_page if is_opened else _open_nothing
        return serve(create_app(settings), settings, listener, on_ready=open_page)


def _serve(settings: "Settings", is_opened: bool = False, pages: str | None = None) -> int:
    _check_pages(settings, pages)
    with _open_listener(settings) as listener:
        from gateway.app import create_app
        from gateway.server.server import serve

        open_page = _open_page if is_opened else _open_nothing
        return serve(create_app(settings), settings, listener, on_ready=open_page)


def _check_pages(settings: "Settings", given: str | None) -> None:
    """Whether the pages are there; a mistake in them is shown on the page.

    `given` is what the command line says; a value of the environment is not repeated.
    """
    if settings.pages is not None:
        from pathlib import Path

        from gateway.pages.authoring.loader import find_files

        find_files(Path(settings.pages), given or "GATEWAY_PAGES")


def _open_nothing(url: str) -> None:
    """What is done at the start without `--open`."""


def _open_page(url: str) -> None:
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


@main.command()
@click.option("--host", help="Address to listen on [default: HOST, else 127.0.0.1].")
@click.option("--port", type=PORT, help="Port to listen on [default: PORT, else 8000].")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes; needs REDIS_URL.")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve the live market and your accounts.

    With REDIS_URL what a `gateway feed` publishes, without a connection to Tastytrade.
    """
    with _one_line_errors():
        from gateway.errors import ConfigurationError
        from gateway.settings import load_settings

        given = {"host": host, "port": port}
        settings = load_settings(
            **{name: value for name, value in given.items() if value is not None}
        )
        if settings.redis_url is None:
            _need_credentials(settings)
            if workers is not None and workers > 1:
                raise ConfigurationError("REDIS_URL: is not set; more than one worker needs it")
        if workers is not None:
            from gateway.server.workers import supervise

            sys.exit(supervise(settings, workers))
        status = _serve(settings)
    sys.exit(status)


@main.command()
def feed() -> None:
    """Follow Tastytrade and publish to REDIS_URL, for `gateway serve` to serve.

    Any number may run: one is upstream, the others stand by to take over.
    """
    with _one_line_errors():
        from gateway.errors import ConfigurationError
        from gateway.settings import load_settings

        settings = load_settings()
        if settings.redis_url is None:
            raise ConfigurationError(
                "REDIS_URL: is not set; a feed publishes there, `gateway serve` needs none"
            )
        _need_credentials(settings)
        from gateway.server.feed_process import run

        status = run(settings)
    sys.exit(status)


def _need_credentials(settings: "Settings") -> None:
    from gateway.errors import ConfigurationError

    for variable, value in (("TT_SECRET", settings.tt_secret), ("TT_REFRESH", settings.tt_refresh)):
        if value is None:
            raise ConfigurationError(
                f"{variable}: is not set; set TT_SECRET and TT_REFRESH, or try `gateway demo`"
            )


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
        from gateway.cli.tail import follow

        status = follow(url, symbols, as_json=as_json, types=types, rate=rate)
    sys.exit(status)


@main.group()
def viewer() -> None:
    """Let others in: each with a token and accounts of their own.

    They are kept in the file that GATEWAY_VIEWERS names; a running gateway follows it.
    """


@viewer.command("add")
@click.argument("name")
@click.option("--accounts", help="Account numbers whose balances are shown, with commas.")
@click.option("--all-accounts", is_flag=True, help="All accounts, those to come included.")
def add_viewer(name: str, accounts: str | None, all_accounts: bool) -> None:
    """Let NAME in, and print the token, once."""
    with _one_line_errors():
        from gateway.errors import ConfigurationError
        from gateway.web.auth.viewers import add_viewer, check_accounts

        if (accounts is None) != all_accounts:
            raise ConfigurationError("--accounts: give either account numbers or --all-accounts")
        granted = None if accounts is None else check_accounts(accounts)
        token = add_viewer(_viewers_file(), name, granted)
    redaction.reveal(sys.stdout, f"{token}\n")
    click.echo(
        f"This token lets {name} in, and is not shown again: as a bearer token, or at /login.",
        err=True,
    )


@viewer.command("list")
def list_viewers() -> None:
    """Print each viewer's name and accounts."""
    with _one_line_errors():
        from gateway.web.auth.viewers import read_viewers

        path = _viewers_file()
        viewers = read_viewers(path) if path.exists() else {}
    for each in viewers.values():
        shown = "all" if each.accounts is None else ",".join(sorted(each.accounts)) or "none"
        click.echo(f"{each.name}  {shown}")


@viewer.command("remove")
@click.argument("name")
def remove_viewer(name: str) -> None:
    """Let NAME in no longer: streams and logins end within a second."""
    with _one_line_errors():
        from gateway.web.auth.viewers import remove_viewer

        remove_viewer(_viewers_file(), name)


def _viewers_file() -> "Path":
    from gateway.errors import ConfigurationError
    from gateway.settings import load_settings

    path = load_settings().viewers
    if path is None:
        raise ConfigurationError("GATEWAY_VIEWERS: is not set; name the file to keep viewers in")
    return path


@main.command()
def check() -> None:
    """Say what works, what does not, and what to do."""
    from gateway.cli.check import run

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
        from gateway.server.parent_watch import end_with_stdin

        end_with_stdin()
    from gateway.simulator.app import run

    # It makes credentials up, and printing them is its purpose.
    if isinstance(sys.stdout, redaction.RedactedStream):
        sys.stdout = sys.stdout.bare
    run(port=port, seed=seed, rate=rate, market="open" if market == "open" else "closed")
