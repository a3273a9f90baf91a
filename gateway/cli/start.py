"""What the commands that serve have in common; heavy imports happen where they are needed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from socket import socket

    from gateway.settings import Settings

PORT = click.IntRange(0, 65535)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends with one line and status 2 for what a person can mend, status 1 for other failures."""
    from gateway.errors import ConfigurationError, GatewayError

    try:
        yield
    except GatewayError as error:
        click.echo(f"gateway: {error}", err=True)
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)


def open_listener(settings: "Settings") -> "socket":
    """Open the listening socket, and report errors before anything heavy is imported or started."""
    from gateway.server.server import check_host, open_socket
    from gateway.web.auth.authenticator import create_authenticator

    # The address first: without one, the question whether it needs a token makes no sense.
    check_host(settings.host)
    create_authenticator(settings.access)
    return open_socket(settings.host, settings.port)


def serve_demo(is_opened: bool, seed: int | None, rate: float | None, **given: Any) -> int:
    from gateway.cli.demo import create_settings, open_simulator

    if "host" not in given:
        given |= _find_demo_host(create_settings(**given).host)
    settings = create_settings(**given)
    check_pages(settings, given.get("pages"))
    with open_listener(settings) as listener, open_simulator(seed=seed, rate=rate) as wait:
        # While the simulator starts.
        from gateway.app import create_app
        from gateway.server.server import serve

        settings = create_settings(wait(), **given)
        open_page = _open_page if is_opened else _open_nothing
        return serve(create_app(settings), settings, listener, on_ready=open_page)


def _find_demo_host(host: str) -> dict[str, str]:
    """Return what replaces a HOST that is no address: other tools set it too, conda for one."""
    from gateway.errors import ConfigurationError
    from gateway.server.server import check_host

    try:
        check_host(host)
    except ConfigurationError:
        click.echo(f"gateway: HOST={host} is no address here; listening on 127.0.0.1", err=True)
        return {"host": "127.0.0.1"}
    return {}


def only_given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def load(**given: Any) -> "Settings":
    """Return the settings; what is surely not meant in the environment is said."""
    from gateway.clock import SYSTEM_CLOCK
    from gateway.settings import describe_suspicions, load_settings
    from gateway.streams.symbols import split_symbols

    settings = load_settings(**given).with_symbols(
        partial(split_symbols, today=SYSTEM_CLOCK.now().date())
    )
    for sentence in describe_suspicions():
        click.echo(f"gateway: {sentence}", err=True)
    return settings


def serve_live(settings: "Settings", is_opened: bool = False, pages: str | None = None) -> int:
    check_pages(settings, pages)
    with open_listener(settings) as listener:
        from gateway.app import create_app
        from gateway.server.server import serve

        open_page = _open_page if is_opened else _open_nothing
        return serve(create_app(settings), settings, listener, on_ready=open_page)


def check_pages(settings: "Settings", given: str | None) -> None:
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


def need_credentials(settings: "Settings") -> None:
    from gateway.errors import ConfigurationError

    for variable, value in (("TT_SECRET", settings.tt_secret), ("TT_REFRESH", settings.tt_refresh)):
        if value is None:
            raise ConfigurationError(
                f"{variable}: is not set; set TT_SECRET and TT_REFRESH, or try `gateway demo`"
            )
