"""`gateway db`: the database of what people keep, and the keys of its secrets."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway import redaction
from gateway.cli.start import one_line_errors

if TYPE_CHECKING:
    from gateway.store.database import Database


@click.group()
def db() -> None:
    """Upgrade or back up the database, or renew the keys of its secrets.

    It is what DATABASE_URL names, else a file in the state folder; see GATEWAY_STATE_DIR.
    """


@db.command()
def upgrade() -> None:
    """Bring the tables to the newest form, as every start does."""
    with one_line_errors():
        _open().close()
    click.echo("The database has the newest form.")


@db.command()
@click.argument("path", type=click.Path(path_type=Path))
def backup(path: Path) -> None:
    """Copy the database into the new file PATH while a gateway may go on using it.

    The keys of its secrets are not in it; keep them elsewhere.
    """
    with one_line_errors():
        database = _open()
        try:
            database.back_up(path)
        finally:
            database.close()
    click.echo(f"The database is copied to {path}.")


@db.command("rotate-keys")
@click.option("--forget-old", is_flag=True, help="Older backups cannot be opened any more.")
def rotate_keys(forget_old: bool) -> None:
    """Seal every secret by a new key, or, where GATEWAY_KEYS is set, by its first."""
    with one_line_errors():
        from gateway.store.keys import make_key

        database = _open()
        try:
            sealed, closed = database.rotate_keys(make_key(), forgets=forget_old)
        finally:
            database.close()
    click.echo(f"Secrets sealed by the newest key: {sealed}.")
    if closed:
        click.echo(f"Secrets that no key opens, to be given again: {closed}.")


@db.command("new-key")
def new_key() -> None:
    """Print a new key for GATEWAY_KEYS."""
    with one_line_errors():
        from gateway.store.keys import make_key

        key = make_key()
    redaction.reveal(sys.stdout, f"{key}\n")


def _open() -> "Database":
    from gateway.settings import load_settings
    from gateway.store.database import open_database

    return open_database(load_settings().store)
