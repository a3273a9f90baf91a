"""`gateway viewer`: let others in, each with a token of their own."""

import sys
from typing import TYPE_CHECKING

import click

from gateway import redaction
from gateway.cli.start import one_line_errors

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
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
    with one_line_errors():
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
    with one_line_errors():
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
    with one_line_errors():
        from gateway.errors import StoreUnavailable
        from gateway.web.auth.viewers import read_viewers, remove_viewer

        path = _viewers_file()
        removed = read_viewers(path).get(name) if path.exists() else None
        remove_viewer(path, name)
        if removed is not None:
            try:
                _forget(removed.id)
            except StoreUnavailable as error:
                click.echo(f"gateway: what {name} kept is still there: {error}", err=True)


def _forget(owner: str) -> None:
    """Delete what somebody kept, where anything is kept at all."""
    from gateway.settings import load_settings
    from gateway.store.location import find_file

    settings = load_settings().store
    file = find_file(settings)
    if file is not None and not file.exists():
        return
    from gateway.store.database import open_database

    database = open_database(settings)
    try:
        with database.begin(writes=True) as rows:
            rows.forget(owner)
    finally:
        database.close()


def _viewers_file() -> "Path":
    from gateway.errors import ConfigurationError
    from gateway.settings import load_settings

    path = load_settings().viewers
    if path is None:
        raise ConfigurationError("GATEWAY_VIEWERS: is not set; name the file to keep viewers in")
    return path
