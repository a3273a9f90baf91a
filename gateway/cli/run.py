"""`gateway run`: pages of one's own."""

import sys

import click

from gateway.cli.start import PORT, load, one_line_errors, only_given, serve_demo, serve_live


@click.command()
@click.argument("pages", required=False, metavar="[FILE_OR_FOLDER]")
@click.option("--port", type=PORT, help="Port to listen on [default: PORT, else 8000].")
@click.option("--open", "is_opened", is_flag=True, help="Open the page in a browser.")
def run(pages: str | None, port: int | None, is_opened: bool) -> None:
    """Serve your own pages, and follow their file as you save it.

    With TT_SECRET and TT_REFRESH on the live market, else on a simulated one.
    """
    with one_line_errors():
        given = only_given(pages=pages, port=port)
        settings = load(**given)
        if not settings.has_credentials:
            status = serve_demo(is_opened, None, None, **given)
        else:
            status = serve_live(settings, is_opened, pages)
    sys.exit(status)
