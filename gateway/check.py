"""`gateway check`: each setting and the credentials, tried; what works and what to do."""

import asyncio
import sys

from gateway.settings import Settings, is_loopback, load_settings, variables
from gateway.streams.events import ConfigurationError

LOGIN_TIMEOUT_S = 30.0

Result = tuple[str, bool, str]
"""What was tried, whether it works, and what it is or what to do."""


def run() -> int:
    """The exit status after printing one line for each result: 0 when all works."""
    results = check_settings()
    settings = _load() if all(works for _, works, _ in results) else None
    if settings is not None:
        results += check_access(settings)
        if settings.has_credentials:
            results += asyncio.run(_check_login(settings))
    width = max(len(name) for name, _, _ in results)
    for name, works, text in results:
        sys.stdout.write(f"{'ok  ' if works else 'FAIL'}  {name:<{width}}  {text}\n")
    return 0 if all(works for _, works, _ in results) else 1


def check_settings() -> list[Result]:
    """One result for each variable; a secret's value is never in it."""
    try:
        settings = load_settings()
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
    return results


def check_access(settings: Settings) -> list[Result]:
    """Whether a server could start with these settings, as far as can be told without starting."""
    results: list[Result] = []
    missing = [
        variable
        for variable, value in (
            ("TT_SECRET", settings.tt_secret),
            ("TT_REFRESH", settings.tt_refresh),
        )
        if value is None
    ]
    if missing:
        results.append(
            ("credentials", False, f"set {' and '.join(missing)}, or try `gateway demo`")
        )
    if settings.token is None and not is_loopback(settings.host):
        results.append(("access", False, "set GATEWAY_TOKEN, because HOST is not loopback"))
    elif settings.token is None:
        results.append(("access", True, "GATEWAY_TOKEN is not set: each start makes a new token"))
    return results


def _show(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return str(value)  # a secret masks itself


def _load() -> Settings:
    return load_settings()


async def _check_login(settings: Settings) -> list[Result]:
    from gateway.streams.session import check_login

    try:
        async with asyncio.timeout(LOGIN_TIMEOUT_S):
            return await check_login(settings)
    except TimeoutError:
        return [("login", False, f"no answer within {LOGIN_TIMEOUT_S:g} s; try again later")]
