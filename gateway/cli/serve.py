"""`gateway serve`: the live market and accounts, by one process or several."""

import sys

import click

from gateway.cli.start import PORT, load, need_credentials, one_line_errors, only_given, serve_live


@click.command()
@click.option("--host", help="Address to listen on [default: HOST, else 127.0.0.1].")
@click.option("--port", type=PORT, help="Port to listen on [default: PORT, else 8000].")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes; needs REDIS_URL.")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve the live market and your accounts.

    With REDIS_URL what a `gateway feed` publishes, without a connection to Tastytrade.
    """
    with one_line_errors():
        from gateway.errors import ConfigurationError

        settings = load(**only_given(host=host, port=port))
        if settings.redis_url is None:
            need_credentials(settings)
            if workers is not None and workers > 1:
                raise ConfigurationError("REDIS_URL: is not set; more than one worker needs it")
        if workers is not None:
            from gateway.server.workers import supervise

            sys.exit(supervise(settings, workers))
        status = serve_live(settings)
    sys.exit(status)
