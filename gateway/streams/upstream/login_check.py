"""`gateway check`: tries every way to the broker that the gateway uses, once, and says what to do.

Keeps a refused grant apart from a network failure: without an answer, nothing is known about the
credentials.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple

from gateway.clock import SYSTEM_CLOCK
from gateway.errors import GrantRevoked, Refused, Unauthorized
from gateway.settings import BrokerSettings
from gateway.streams.upstream.account_selection import select_accounts
from gateway.streams.upstream.drops import DropStats
from gateway.streams.upstream.quality import QuoteToken, rate_quality
from gateway.streams.upstream.refusals import ACCOUNTS_PATH, QUOTE_TOKEN_PATH
from gateway.streams.upstream.retry import TROUBLE, describe_error, find_cause
from gateway.streams.upstream.sdk import (
    AccountStream,
    MarketStream,
    Session,
    ask,
    get,
    load_tls,
    open_sdk_session,
    open_stream,
    refresh,
)

CANARY = "SPY"
STEP_TIMEOUT_S = 12.0
QUOTE_TIMEOUT_S = 8.0

Outcome = Literal["works", "refused", "no answer", "wrong setting", "warning"]


class CheckResult(NamedTuple):
    """One step: what was tried, how it went, and what to do."""

    step: str
    outcome: Outcome
    words: str

    @property
    def is_ok(self) -> bool:
        """Whether the gateway can work with it."""
        return self.outcome in ("works", "warning")


async def check_login(settings: BrokerSettings) -> list[CheckResult]:
    """Try to log in, read the accounts, and open both streams; return a result for each.

    Raises:
        ConfigurationError: when there are no credentials.
    """
    await asyncio.to_thread(load_tls)
    async with open_sdk_session(settings) as session:
        first = await _run("log in", lambda: _log_in(session))
        if not first.is_ok:
            return [first]
        found = [first, await _run("read the accounts", lambda: _read_accounts(session, settings))]
        found.append(await _run("get a quote token", lambda: _get_token(session, settings)))
        if found[-1].is_ok:
            found.append(await _run("follow market data", lambda: _follow_market(session)))
        found.append(await _run("follow the accounts", lambda: _follow_accounts(session, settings)))
        return found


Answer = tuple[Outcome, str]


async def _run(step: str, run: Callable[[], Awaitable[Answer]]) -> CheckResult:
    try:
        async with asyncio.timeout(STEP_TIMEOUT_S):
            return CheckResult(step, *await run())
    except (*TROUBLE, BaseExceptionGroup) as error:
        cause = find_cause(error)
        if not isinstance(cause, TROUBLE):
            raise
        return CheckResult(step, *_explain(cause))


def _explain(cause: BaseException) -> Answer:
    words = describe_error(cause)
    if isinstance(cause, GrantRevoked):
        advice = "check TT_SECRET and TT_REFRESH; make a new grant under OAuth applications"
        return "refused", f"{words}; {advice}"
    if isinstance(cause, Refused | Unauthorized):
        return "refused", words
    advice = "nothing is known about the credentials; check the network, a proxy or a firewall"
    return "no answer", f"{words}; {advice}"


async def _log_in(session: Session) -> Answer:
    await refresh(session)
    return "works", "works"


async def _read_accounts(session: Session, settings: BrokerSettings) -> Answer:
    data = await _get(session, ACCOUNTS_PATH)
    numbers, missing = select_accounts(data, settings.accounts)
    if missing:
        return "wrong setting", f"TT_ACCOUNTS: this login has no open account {', '.join(missing)}"
    if not numbers:
        return "wrong setting", "this login has no open account"
    for number in numbers:
        await _get(session, f"/accounts/{number}/balances/USD")
    return "works", f"{len(numbers)} account{'s' * (len(numbers) > 1)}"


async def _get_token(session: Session, settings: BrokerSettings) -> Answer:
    token = QuoteToken.parse(await _get(session, QUOTE_TOKEN_PATH))
    customer = await _get(session, "/customers/me")
    _, reason = rate_quality(
        token,
        is_test=settings.is_test and not settings.uses_simulator,
        has_delayed_quotes=customer.get("has-delayed-quotes") is True,
    )
    return ("warning", reason) if reason else ("works", "works")


async def _follow_market(session: Session) -> Answer:
    stream = MarketStream(
        session,
        clock=SYSTEM_CLOCK,
        dropped=DropStats(),
        nulled=DropStats(),
        on_frame=lambda: None,
        on_channel_closed=lambda _: None,
    )
    async with open_stream(stream):
        await stream.follow("Quote", [CANARY], 0.1)
        try:
            async with asyncio.timeout(QUOTE_TIMEOUT_S):
                await stream.next_event("Quote")
        except TimeoutError:
            return "no answer", f"connected, but no quote of {CANARY} came; try again later"
    return "works", f"a quote of {CANARY} came"


async def _follow_accounts(session: Session, settings: BrokerSettings) -> Answer:
    data = await _get(session, ACCOUNTS_PATH)
    numbers, _ = select_accounts(data, settings.accounts)
    if not numbers:
        return "wrong setting", "there is no account to follow"
    stream = AccountStream(session, DropStats())
    async with open_stream(stream):
        await stream.connect(numbers)
    return "works", "works"


async def _get(session: Session, path: str) -> dict[str, Any]:
    return await ask(lambda session: get(session, path), session)
