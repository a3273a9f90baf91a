"""How the process logs: one format, to stderr, without secrets."""

import logging
import sys
from collections.abc import Iterable

from gateway.redaction import Redactor

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

LOGGER_LEVELS = {
    "alembic": logging.WARNING,  # its plug-ins, at each start
    "tastytrade": logging.WARNING,  # 13.2.3 logs bearer tokens at DEBUG, its default
    "httpx": logging.WARNING,  # whole URLs at INFO
    "httpx2": logging.WARNING,
    "httpcore": logging.INFO,
    "httpcore2": logging.INFO,
    "websockets": logging.INFO,  # frames at DEBUG
    "sse_starlette": logging.INFO,  # 3.7 logs every chunk at DEBUG, balances included
    "asyncio": logging.WARNING,
    "uvicorn": logging.WARNING,  # its start and stop lines repeat ours
    "uvicorn.access": logging.CRITICAL,  # paths with their queries
}


class RedactingFormatter(logging.Formatter):
    """Hides secrets in whole entries, tracebacks included."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__(LOG_FORMAT)
        self._redactor = Redactor(secrets)

    def format(self, record: logging.LogRecord) -> str:
        return self._redactor.redact(super().format(record))


class _WithoutNoise(logging.Filter):
    """Drops what uvicorn says of streams that we end before their end: we have logged why."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.msg != "ASGI callable returned without completing response."


def set_up_logging(level: str, secrets: Iterable[str]) -> None:
    """Log to stderr in one format; libraries that say too much are kept quiet at every level."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(secrets))
    handler.addFilter(_WithoutNoise())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name, least in LOGGER_LEVELS.items():
        logging.getLogger(name).setLevel(least)
