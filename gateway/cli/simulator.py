"""`gateway simulator`: a stand-in for Tastytrade."""

import sys

import click

from gateway import redaction
from gateway.cli.start import PORT


@click.command()
@click.option("--port", type=PORT, default=0, show_default="any free port")
@click.option("--seed", type=int, default=7, show_default=True)
@click.option("--rate", type=float, default=1.0, show_default=True)
@click.option("--market", type=click.Choice(["open", "closed"]), default="open", show_default=True)
@click.option("--until-stdin-closes", is_flag=True, help="End when standard input is closed.")
def simulator(port: int, seed: int, rate: float, market: str, until_stdin_closes: bool) -> None:
    """Serve a stand-in Tastytrade on loopback and print where it is as one line of JSON."""
    if until_stdin_closes:
        from gateway.server.parent_watch import exit_with_parent

        exit_with_parent()
    from gateway.simulator.app import run

    # It makes credentials up, and printing them is its purpose.
    if isinstance(sys.stdout, redaction.RedactedStream):
        sys.stdout = sys.stdout.bare
    run(port=port, seed=seed, rate=rate, market="open" if market == "open" else "closed")
