"""`gateway feed`: the upstream half in a process of its own."""

import sys

import click

from gateway.cli.start import load, need_credentials, one_line_errors


@click.command()
def feed() -> None:
    """Follow Tastytrade and publish to REDIS_URL, for `gateway serve` to serve.

    Any number may run: one is upstream, the others stand by to take over.
    """
    with one_line_errors():
        from gateway.errors import ConfigurationError

        settings = load()
        if settings.redis_url is None:
            raise ConfigurationError(
                "REDIS_URL: is not set; a feed publishes there, `gateway serve` needs none"
            )
        need_credentials(settings)
        from gateway.server.feed_process import run

        status = run(settings)
    sys.exit(status)
