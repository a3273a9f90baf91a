"""`gateway check`: each setting and the credentials, tried; what works and what to do."""

import asyncio
import sys
from functools import partial
from pathlib import Path

from gateway.addresses import is_loopback
from gateway.clock import SYSTEM_CLOCK
from gateway.errors import BackplaneError, ConfigurationError
from gateway.settings import Settings, describe_suspicions, load_settings, variables
from gateway.streams.symbols import split_symbols

LOGIN_TIMEOUT_S = 30.0

Result = tuple[str, bool, str]
"""What was tried, whether it works, and what it is or what to do."""


def run() -> int:
    """The exit status after printing one line for each result: 0 when all works."""
    results = check_settings()
    settings = _load() if all(works for _, works, _ in results) else None
    if settings is not None:
        results += check_access(settings)
        if settings.redis_url is not None:
            results.append(_check_backplane(settings.redis_url.get_secret_value()))
        if settings.has_credentials:
            results += _check_login(settings)
    width = max(len(name) for name, _, _ in results)
    for name, works, text in results:
        sys.stdout.write(f"{'ok  ' if works else 'FAIL'}  {name:<{width}}  {text}\n")
    return 0 if all(works for _, works, _ in results) else 1


def check_settings() -> list[Result]:
    """One result for each variable; a secret's value is never in it."""
    try:
        settings = load_settings().with_symbols(
            partial(split_symbols, today=SYSTEM_CLOCK.now().date())
        )
        suspicions = describe_suspicions()
    except ConfigurationError as error:
        name, _, text = str(error).partition(": ")
        return [(name, False, text)]
    results: list[Result] = []
    for variable, field in variables().items():
        is_set = field in settings.model_fields_set
        value = getattr(settings, field)
        if value is None:
            text = "not set"
        elif not is_set:
            text = f"{_show(value)} (default)"
        else:
            text = _show(value)
        results.append((variable, True, text))
    for sentence in suspicions:
        name, _, text = sentence.partition(": ")
        results.append((name, False, text))
    return results


def check_access(settings: Settings) -> list[Result]:
    """Whether a server could start with these settings, as far as can be told without starting."""
    from gateway.server.server import check_host

    results: list[Result] = []
    missing = [
        variable
        for variable, value in (
            ("TT_SECRET", settings.tt_secret),
            ("TT_REFRESH", settings.tt_refresh),
        )
        if value is None
    ]
    if missing and settings.redis_url is not None:
        text = "none: good for `gateway serve`, which has REDIS_URL; `gateway feed` needs them"
        results.append(("credentials", len(missing) == 2, text))
    elif missing:
        results.append(
            ("credentials", False, f"set {' and '.join(missing)}, or try `gateway demo`")
        )
    try:
        check_host(settings.host)
    except ConfigurationError as error:
        results.append(("HOST", False, str(error).partition(": ")[2]))
    if settings.token is None and not is_loopback(settings.host):
        results.append(("access", False, "set GATEWAY_TOKEN, because HOST is not loopback"))
    elif settings.token is None:
        results.append(("access", True, "GATEWAY_TOKEN is not set: each start makes a new token"))
    if settings.viewers is not None:
        results.append(_check_viewers(settings.viewers))
    return results


def _check_viewers(path: Path) -> Result:
    from gateway.web.auth.viewers import read_viewers

    if not path.exists():
        return ("viewers", True, "nobody yet: `gateway viewer add` makes the file")
    try:
        names = sorted(read_viewers(path))
    except ConfigurationError as error:
        return ("viewers", False, str(error).partition(": ")[2])
    return ("viewers", True, ", ".join(names) or "nobody")


def _show(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return str(value)  # a secret masks itself


def _load() -> Settings:
    return load_settings()


def _check_backplane(url: str) -> Result:
    from gateway.streams.backplane.server import Backplane  # not in the loop: importing reads files

    async def check() -> None:
        backplane = Backplane(url)
        try:
            await backplane.check()
        finally:
            await backplane.close()

    try:
        asyncio.run(check())
    except BackplaneError as error:
        return ("REDIS_URL", False, str(error).removeprefix("REDIS_URL: "))
    return ("REDIS_URL", True, "the server answers, and can be written to")


def _check_login(settings: Settings) -> list[Result]:
    from gateway.streams.upstream.login_check import (
        check_login,  # not in the loop: importing reads files
    )

    async def check() -> list[Result]:
        async with asyncio.timeout(LOGIN_TIMEOUT_S):
            found = await check_login(settings.broker)
        return [(each.step, each.is_ok, each.words) for each in found]

    try:
        return asyncio.run(check())
    except TimeoutError:
        return [("login", False, f"no answer within {LOGIN_TIMEOUT_S:g} s; try again later")]
