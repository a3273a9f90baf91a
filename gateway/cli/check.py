"""`gateway check`: tries each setting and the credentials, and says what works and what to do."""

import asyncio
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gateway.addresses import is_loopback
from gateway.clock import SYSTEM_CLOCK
from gateway.errors import BackplaneError, ConfigurationError
from gateway.settings import Settings, describe_suspicions, load_settings, variables
from gateway.streams.symbols import split_symbols

if TYPE_CHECKING:
    from gateway.streams.upstream.login_check import CheckResult

LOGIN_TIMEOUT_S = 75.0
"""More than the five steps of the login check at 12 s each: each reports its own time-out."""

Mark = Literal["ok", "warn", "FAIL"]
"""Works; works, but not as one may expect; does not work."""

Result = tuple[str, Mark, str]
"""What was tried, how it went, and what it is or what to do."""


def run() -> int:
    """Print one line for each result and return the exit status: 0 when nothing failed."""
    results = check_settings()
    settings = _load() if _is_fine(results) else None
    if settings is not None:
        results += check_access(settings)
        if settings.redis_url is not None:
            results.append(_check_backplane(settings.redis_url.get_secret_value()))
        if settings.has_credentials:
            results += _check_login(settings)
    width = max(len(name) for name, _, _ in results)
    for name, mark, text in results:
        sys.stdout.write(f"{mark:<4}  {name:<{width}}  {text}\n")
    return 0 if _is_fine(results) else 1


def _is_fine(results: list[Result]) -> bool:
    return all(mark != "FAIL" for _, mark, _ in results)


def check_settings() -> list[Result]:
    """Return one result for each variable; a secret's value is never in it."""
    try:
        settings = load_settings().with_symbols(
            partial(split_symbols, today=SYSTEM_CLOCK.now().date())
        )
        suspicions = describe_suspicions()
    except ConfigurationError as error:
        name, _, text = str(error).partition(": ")
        return [(name, "FAIL", text)]
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
        results.append((variable, "ok", text))
    for sentence in suspicions:
        name, _, text = sentence.partition(": ")
        results.append((name, "FAIL", text))
    return results


def check_access(settings: Settings) -> list[Result]:
    """Check what a server needs to start, as far as possible without starting one."""
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
        results.append(("credentials", "ok" if len(missing) == 2 else "FAIL", text))
    elif missing:
        results.append(
            ("credentials", "FAIL", f"set {' and '.join(missing)}, or try `gateway demo`")
        )
    try:
        check_host(settings.host)
    except ConfigurationError as error:
        results.append(("HOST", "FAIL", str(error).partition(": ")[2]))
    if settings.token is None and not is_loopback(settings.host):
        results.append(("access", "FAIL", "set GATEWAY_TOKEN, because HOST is not loopback"))
    elif settings.token is None:
        results.append(("access", "ok", "GATEWAY_TOKEN is not set: each start makes a new token"))
    if settings.viewers is not None:
        results.append(_check_viewers(settings.viewers))
    return results


def _check_viewers(path: Path) -> Result:
    from gateway.web.auth.viewers import read_viewers

    if not path.exists():
        return ("viewers", "ok", "nobody yet: `gateway viewer add` makes the file")
    try:
        names = sorted(read_viewers(path))
    except ConfigurationError as error:
        return ("viewers", "FAIL", str(error).partition(": ")[2])
    return ("viewers", "ok", ", ".join(names) or "nobody")


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
        return ("REDIS_URL", "FAIL", str(error).removeprefix("REDIS_URL: "))
    return ("REDIS_URL", "ok", "the server answers, and can be written to")


def _check_login(settings: Settings) -> list[Result]:
    from gateway.streams.upstream.login_check import (
        check_login,  # not in the loop: importing reads files
    )

    async def check() -> list[Result]:
        async with asyncio.timeout(LOGIN_TIMEOUT_S):
            found = await check_login(settings.broker)
        return [(each.step, _mark(each), each.words) for each in found]

    try:
        return asyncio.run(check())
    except TimeoutError:
        return [("login", "FAIL", f"no answer within {LOGIN_TIMEOUT_S:g} s; try again later")]


def _mark(result: "CheckResult") -> Mark:
    if result.outcome == "warning":
        return "warn"
    return "ok" if result.is_ok else "FAIL"
