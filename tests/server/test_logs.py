"""How the process logs: to stderr, without secrets, without what libraries say too much of."""

import io
import logging
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from gateway.server.logs import LOGGER_LEVELS, RedactingFormatter, set_up_logging
from tests.web.running import TOKEN, make_protected


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root logger and the levels of all others as they were before."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in LOGGER_LEVELS}
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, each in levels.items():
        logging.getLogger(name).setLevel(each)


def test_no_secret_reaches_the_log(root_logger: logging.Logger) -> None:
    secrets = {"tt_secret": "canary/1+a", "tt_refresh": "canary-2-refresh", "token": TOKEN}
    settings = make_protected(log_level="DEBUG", **secrets)
    assert settings.tt_secret == SecretStr("canary/1+a")
    set_up_logging(settings.log_level, settings.secrets)
    stream = io.StringIO()
    (handler,) = root_logger.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    logger = logging.getLogger("gateway.test")
    logger.debug("a %s b %s", secrets["tt_secret"], {"refresh": secrets["tt_refresh"]})
    logger.info("Authorization: Bearer eyJhbGciOi.abc-123_x, next")
    logger.info("{'authorization': 'bearer XYZ'} /login#token=XYZ")
    try:
        raise ValueError(f"refused {TOKEN}")
    except ValueError:
        logger.exception("failed")
    for name in ("tastytrade", "httpx", "sse_starlette.sse", "websockets.client", "uvicorn.access"):
        logging.getLogger(name).debug("canary in a library's debug line")
    text = stream.getvalue()
    assert "canary" not in text
    assert TOKEN not in text
    assert "eyJ" not in text
    assert "XYZ" not in text
    assert "Bearer [hidden], next" in text
    assert "ValueError: refused [hidden]" in text


def test_nothing_is_hidden_where_there_is_no_secret() -> None:
    record = logging.LogRecord("a", logging.INFO, "", 0, "the bearers of tokens", (), None)
    assert RedactingFormatter([]).format(record).endswith("INFO a: the bearers of tokens")
