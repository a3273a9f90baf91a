"""One login's accounts and their balances: the account stream first, REST polling behind it.

The stream has neither an initial state nor a replay, so REST is read at once, after every
reconnect, after every "unauthorized", and every `balance_poll_s` in any case.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Literal

import anyio
import msgspec

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.errors import AccountRefused, Refused, Unauthorized
from gateway.settings import BrokerSettings
from gateway.streams.account_records import BalanceUpdate
from gateway.streams.publisher import Publisher, publish_status
from gateway.streams.records import State
from gateway.streams.reports import AccountsReport
from gateway.streams.topics import MAIN_LOGIN
from gateway.streams.upstream.account_selection import select_accounts
from gateway.streams.upstream.budget import RequestBudget
from gateway.streams.upstream.drops import DropStats
from gateway.streams.upstream.frames import HOLE
from gateway.streams.upstream.holdings import Holdings
from gateway.streams.upstream.normalize import normalize_balance
from gateway.streams.upstream.reconnect import Reconnect
from gateway.streams.upstream.refusals import ACCOUNTS_PATH
from gateway.streams.upstream.retry import (
    REFUSED_CAP_S,
    REFUSED_S,
    TROUBLE,
    RetryPolicy,
    describe_error,
)
from gateway.streams.upstream.sdk import (
    AccountBalance,
    AccountStream,
    Push,
    Session,
    open_stream,
    parse_balance,
)
from gateway.streams.upstream.session import BrokerSession
from gateway.streams.upstream.supervisor import RestartLimiter, supervise

logger = logging.getLogger(__name__)

HEARTBEAT_S = 20.0
"""The account stream wants one every 2 to 60 s; its acknowledgement is the proof of life."""

Connect = Callable[["Accounts", Session], AbstractAsyncContextManager[AccountStream]]


def open_account_stream(
    accounts: "Accounts", session: Session
) -> AbstractAsyncContextManager[AccountStream]:
    """Open a stream over the SDK."""
    return open_stream(AccountStream(session, accounts.dropped))


class Accounts:
    """One login's accounts: their balances go to the publisher, what else is pushed to `holdings`.

    A missing value is null, never 0; without a net liquidating value nothing new is published. A
    balance is stale while the accounts or the session are known not to be live.
    """

    def __init__(
        self,
        session: BrokerSession,
        publisher: Publisher,
        settings: BrokerSettings,
        *,
        clock: Clock = SYSTEM_CLOCK,
        connect: Connect = open_account_stream,
        budget: RequestBudget | None = None,
    ) -> None:
        self._session = session
        self._publisher = publisher
        self._settings = settings
        self._clock = clock
        self._connect = connect
        self._budget = budget or RequestBudget(session, clock=clock)
        self._reconnect = Reconnect("account stream", session)
        self._poll_now = asyncio.Event()
        self._pushed_at_s: dict[str, float] = {}
        self._records: dict[str, BalanceUpdate] = {}
        self._missing: list[str] = []
        self._is_streaming = False
        self._has_stream_failed = False
        self._is_polled = False
        self._stream_reason: str | None = None
        self._poll_reason: str | None = None
        # REST refuses these: by number, what decides when to ask again, and when that is.
        self._unreadable: dict[str, tuple[RetryPolicy, float]] = {}
        # The stream refuses these; found by asking for each account by itself.
        self._unstreamable: set[str] = set()
        self._is_probing = False
        self._probed: str | None = None
        self._are_balances_fresh = True
        self.dropped: DropStats = DropStats()
        self.holdings = Holdings(self._budget, self.dropped, clock=clock)
        self.holdings.on_state = self._evaluate
        self.on_balance: Callable[[BalanceUpdate], None] = lambda record: None
        self.on_cash_moved: Callable[[str], None] = lambda account: None
        self.follow: list[Callable[[Sequence[str]], Awaitable[None]]] = [self.holdings.run]
        """What is run with the accounts' numbers as soon as they are known."""
        self.polls = 0
        self.pushes = 0
        self.connects = 0

    async def run(self) -> None:
        """Keep balances, positions and orders current until cancelled."""
        restarts = RestartLimiter(self._clock)
        self._session.listeners.append(self._mark)
        self._publish("connecting", None)
        try:
            numbers = await self._find_accounts()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._poll, numbers, name="balance poll")
                tasks.start_soon(self._stream, numbers, name="account stream")
                for follow in self.follow:
                    run = partial(follow, numbers)
                    tasks.start_soon(supervise, "the positions", run, restarts, name="positions")
        finally:
            self._session.listeners.remove(self._mark)

    def report(self) -> AccountsReport:
        """Return what `/status` shows: counts, never a number of an account or an amount."""
        return AccountsReport(
            connects=self.connects,
            polls=self.polls,
            pushes=self.pushes,
            readings=self.holdings.readings,
            holes=self.holdings.holes,
        )

    async def _find_accounts(self) -> list[str]:
        """Return the account numbers to follow, as soon as there are any."""
        policy, empty_s = RetryPolicy(), REFUSED_S
        while True:
            try:
                data = await self._budget.get("accounts", ACCOUNTS_PATH)
            except TROUBLE as error:
                words = describe_error(error)
                logger.warning("reading the accounts failed: %s", words)
                self._publish("degraded", f"the accounts cannot be read ({words}); trying again")
                delay_s = policy.next_delay_s(error)
                await asyncio.sleep(REFUSED_S if delay_s is None else delay_s)
                continue
            policy.reset()
            found = select_accounts(data, self._settings.accounts)
            if found.missing != self._missing and found.missing:
                logger.warning("%s", self._describe_missing(found.missing))
            self._missing = found.missing
            if found.numbers:
                return found.numbers
            reason = "this login has no open account"
            if found.missing:
                reason = self._describe_missing(found.missing)
            self._publish("degraded", reason)
            await asyncio.sleep(empty_s)
            empty_s = min(2 * empty_s, REFUSED_CAP_S)

    def _describe_missing(self, missing: Sequence[str]) -> str:
        setting = "TT_ACCOUNTS: " if self._session.login == MAIN_LOGIN else ""
        return f"{setting}this login has no open account {' or '.join(missing)}"

    # --- REST ------------------------------------------------------------------------------------

    async def _poll(self, numbers: Sequence[str]) -> None:
        policy = RetryPolicy()
        while True:
            self._poll_now.clear()
            begin_s = self._clock.monotonic_s()
            failure: Exception | None = None
            for number in numbers:
                failure = await self._poll_one(number) or failure
            self._is_polled = failure is None and len(self._unreadable) < len(numbers)
            self._evaluate()
            taken_s = self._clock.monotonic_s() - begin_s  # each balance waits for its turn
            pause_s = max(0.0, self._settings.balance_poll_s - taken_s)
            if failure is None:
                policy.reset()
            elif (delay_s := policy.next_delay_s(failure)) is not None:
                pause_s = min(delay_s, pause_s)
            try:
                async with asyncio.timeout(pause_s):
                    await self._poll_now.wait()
            except TimeoutError:
                continue

    async def _poll_one(self, number: str) -> Exception | None:
        """Read one balance; a push that came meanwhile is newer, and stays. Return what failed."""
        begin_s = self._clock.monotonic_s()
        policy, not_before_s = self._unreadable.get(number, (RetryPolicy(), begin_s))
        if begin_s < not_before_s:
            return None
        try:
            # The raw object: `Account.get_balances` refuses one with a missing field (13.2.3).
            data = await self._budget.get("balances", f"/accounts/{number}/balances/USD")
        except Refused as error:
            # Of this account alone: the others are none the worse for it.
            delay_s = policy.next_delay_s(error) or REFUSED_S
            self._unreadable[number] = (policy, self._clock.monotonic_s() + delay_s)
            self._poll_reason = str(error)
            logger.warning("reading a balance was refused: %s", error)
            return None
        except TROUBLE as error:
            words = describe_error(error)
            logger.warning("reading a balance failed: %s", words)
            self._poll_reason = f"balances cannot be read ({words}); trying again"
            return error
        self._unreadable.pop(number, None)
        self.polls += 1
        if self._pushed_at_s.get(number, float("-inf")) < begin_s:
            balance = parse_balance(data)
            if balance is None:
                self.dropped["AccountBalance", "malformed"] += 1
            else:
                self._publish_balance(balance, "rest")
        return None

    # --- Account stream --------------------------------------------------------------------------

    async def _stream(self, numbers: Sequence[str]) -> None:
        async def serve(session: Session) -> None:
            await self._serve(session, numbers)

        def on_disconnect(cause: Exception) -> None:
            self._on_disconnect(cause, numbers)

        await self._reconnect.run(serve, on_disconnect)

    async def _serve(self, session: Session, numbers: Sequence[str]) -> None:
        """Serve one connection until it ends with an error."""
        followed = [each for each in numbers if each not in self._unstreamable]
        if not followed:
            self._unstreamable.clear()
            raise Refused("the account stream refuses every account")
        async with self._connect(self, session) as stream:
            self._probed = None
            if self._is_probing:
                for number in followed:
                    self._probed = number
                    await stream.connect([number])
                self._is_probing, self._probed = False, None
            await stream.connect(followed)
            self.connects += 1
            self._is_streaming, self._has_stream_failed = True, False
            self._stream_reason = None
            logger.info("account stream connected")
            self._read_again()  # nothing is replayed: what was missed is in REST
            self._evaluate()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._beat, stream.beat, name="account stream heartbeat")
                while True:
                    self._on_push(await stream.next_push())

    def _read_again(self) -> None:
        self._poll_now.set()
        self.holdings.read_again()

    def _on_push(self, push: Push) -> None:
        self._reconnect.on_flow()
        if push.kind != "AccountBalance":
            if push.kind == HOLE:
                self._poll_now.set()
            if push.kind == "ExternalTransaction" and isinstance(push.data, dict):
                self.on_cash_moved(str(push.data.get("account-number")))
            self.holdings.on_push(push)
            return
        balance = parse_balance(push.data)
        if balance is None:
            self.dropped["AccountBalance", "malformed"] += 1
            return
        self.pushes += 1
        self._pushed_at_s[balance.account_number] = self._clock.monotonic_s()
        self._publish_balance(balance, "account_stream")

    async def _beat(self, beat: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            await beat()
            self._reconnect.on_flow()

    def _on_disconnect(self, cause: Exception, numbers: Sequence[str]) -> None:
        self._is_streaming, self._has_stream_failed = False, True
        self._stream_reason = str(cause) if isinstance(cause, Refused) else None
        if isinstance(cause, AccountRefused):
            self._on_account_refused(numbers)
        elif isinstance(cause, Unauthorized):
            self._read_again()
        self._evaluate()

    def _on_account_refused(self, numbers: Sequence[str]) -> None:
        """Find out which account it is: the stream does not say."""
        followed = [each for each in numbers if each not in self._unstreamable]
        refused = self._probed or (followed[0] if len(followed) == 1 else None)
        if refused is None:
            self._is_probing = True
        else:
            self._unstreamable.add(refused)
            logger.warning("the account stream refuses an account; its balance is polled")

    # --- What viewers see ------------------------------------------------------------------------

    def _publish_balance(
        self, balance: AccountBalance, source: Literal["account_stream", "rest"]
    ) -> None:
        record = normalize_balance(
            balance,
            source,
            self._clock.now_ms(),
            login=self._session.login,
            stale=self.is_stale,
        )
        if record is None:
            self.dropped["AccountBalance", "no value"] += 1
            return
        self._records[record.account] = record
        self._publisher.publish(record)
        self.on_balance(record)

    def _evaluate(self) -> None:
        """Publish what a viewer should think of the accounts."""
        if self._is_streaming and self._is_polled:
            trouble = self.holdings.find_trouble()
            if not self.holdings.is_read:
                self._publish("connecting", "positions and orders are being read")
            elif trouble is not None:
                self._publish("degraded", trouble, are_balances_fresh=True)
            else:
                self._publish("live", self._describe_parts())
        elif self._is_polled and self._has_stream_failed:
            reason = self._stream_reason or "the account stream is reconnecting"
            self._publish("degraded", f"balances are polled; {reason}")
        elif self._is_polled:
            self._publish("connecting", "the account stream is being opened")
        elif self._is_streaming and self._poll_reason is None:
            # At the start and after a hand-over: what has been read so far is of this moment.
            self._publish("connecting", "the first balances are being read")
        elif self._is_streaming:
            self._publish("degraded", self._poll_reason)
        else:
            self._publish("stale" if self._records else "connecting", self._poll_reason)

    def _describe_parts(self) -> str | None:
        """What is wrong with some accounts, while the others are live."""
        found = []
        if self._missing:
            found.append(self._describe_missing(self._missing))
        if self._unreadable:
            found.append(self._poll_reason or "a balance cannot be read")
        if self._unstreamable:
            count = len(self._unstreamable)
            found.append(
                f"the account stream refuses {count} account{'s' * (count > 1)}, "
                f"whose balance is polled"
            )
        if (remark := self.holdings.find_remark()) is not None:
            found.append(remark)
        return "; ".join(found) or None

    @property
    def is_stale(self) -> bool:
        """Whether what is known of the accounts is known not to be live."""
        return not self._are_balances_fresh or self._session.state not in ("live", "connecting")

    def _mark(self) -> None:
        """Publish every balance again that has become stale, or is so no more."""
        stale = self.is_stale
        for account, record in self._records.items():
            if record.stale != stale:
                self._records[account] = record = msgspec.structs.replace(record, stale=stale)
                self._publisher.publish(record)

    def _publish(
        self, state: State, reason: str | None, *, are_balances_fresh: bool | None = None
    ) -> None:
        if are_balances_fresh is None:
            are_balances_fresh = state in ("live", "connecting")
        publish_status(
            self._publisher,
            "accounts",
            state,
            reason,
            now_ms=self._clock.now_ms(),
            login=self._session.login,
        )
        self._are_balances_fresh = are_balances_fresh
        self._mark()
