"""A poison event, or a bug in one stage: that stage alone, and the process only when it must."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from gateway.simulator.market.universe import list_universe
from tests.faults.observer import observe
from tests.faults.trial import Trial
from tests.processes import Gateway, environment_of
from tests.simulation import Simulator, open_simulator
from tests.waiting import eventually_sync, scaled
from tests.web.running import get

RESTART_S = 1.0

# A whole gateway in which a stage can be made to fail: a line on stdin says which and how often,
# a line on stderr each time that it does, and when it is at work again.
PROGRAM = """
import sys, threading, time
from gateway import server
from gateway.app import create_app
from gateway.settings import load_settings
from gateway.streams import demand
from gateway.streams.hub import hub
from gateway.streams.upstream import accounts, normalize, sdk, session
from gateway.streams.upstream import calendar as hours

STAGES = {
    **{
        f"pump {name}": (normalize.Normalizer, "normalize", name)
        for name in ("Quote", "Trade", "Summary", "Greeks", "TheoPrice", "Underlying", "Candle")
    },
    "publish": (hub.Hub, "publish", "QuoteUpdate"),
    "subscriptions": (sdk.MarketStream, "follow", None),
    "watchdog": (hours.MarketCalendar, "read", None),
    "linger": (demand.Demand, "expire", None),
    "balance poll": (accounts.Accounts, "_poll_one", None),
    "balance push": (accounts.Accounts, "_publish_balance", None),
    "session": (session.BrokerSession, "_rest", None),
}
left = dict.fromkeys(STAGES, 0)
failed = set()

def say(*words):
    sys.stderr.write(" ".join(map(str, ("HOOK", time.monotonic_ns(), *words))) + "\\n")
    sys.stderr.flush()

def hook(stage, cls, name, kind):
    original = getattr(cls, name)

    def hooked(self, *args, **kwargs):
        if kind is None or type(args[0]).__name__ == kind:
            if left[stage] > 0:
                left[stage] -= 1
                failed.add(stage)
                say("failed", stage)
                raise ZeroDivisionError("poison")
            if stage in failed:
                failed.discard(stage)
                say("works", stage)
        return original(self, *args, **kwargs)

    setattr(cls, name, hooked)

for stage, (cls, name, kind) in STAGES.items():
    hook(stage, cls, name, kind)

def listen():
    for line in sys.stdin:
        count, _, stage = line.strip().partition(" ")
        left[stage] = int(count)
        say("poisoned", stage)

threading.Thread(target=listen, daemon=True).start()
settings = load_settings(port=0)
sys.exit(server.serve(create_app(settings), settings, server.open_socket("127.0.0.1", 0)))
"""

OPTION = min(list_universe(datetime.now(UTC).date()).options)
CANDLE = "SPY{=5m}"
PUMPS = {
    "Quote": "SPY",
    "Trade": "SPY",
    "Summary": "SPY",
    "Greeks": OPTION,
    "TheoPrice": OPTION,
    "Underlying": "SPY",
    "Candle": CANDLE,
}
OTHERS = (
    "publish",
    "watchdog",
    "linger",
    "subscriptions",
    "balance poll",
    "balance push",
    "session",
)


class Hooked(Gateway):
    """A gateway whose stages fail when they are told to."""

    program: ClassVar[Sequence[str]] = ("-c", PROGRAM)

    def __init__(self, simulator: Simulator) -> None:
        environment = environment_of(
            simulator,
            GATEWAY_SYMBOLS=f"SPY,QQQ,{CANDLE},{OPTION}",
            GATEWAY_LINGER_S="0",
            GATEWAY_REFRESH_S="1",
            GATEWAY_BALANCE_POLL_S="1",
        )
        super().__init__(**environment)

    def poison(self, stage: str, count: int = 1) -> None:
        """Let a stage fail so many times from now on."""
        assert self.popen.stdin is not None
        before = len(self.tell("poisoned", stage))
        self.popen.stdin.write(f"{count} {stage}\n")
        self.popen.stdin.flush()
        self.wait_until("poisoned", stage, before + 1)

    def tell(self, what: str, stage: str) -> list[int]:
        """When the stage was poisoned, failed, or was at work again (monotonic ns)."""
        lines = [line.split(maxsplit=3) for line in self.log if line.startswith("HOOK ")]
        return [int(line[1]) for line in lines if (line[2], line[3].strip()) == (what, stage)]

    def wait_until(self, what: str, stage: str, count: int) -> int:
        """When it happened to the stage for this time (monotonic ns)."""

        def find() -> int:
            found = self.tell(what, stage)
            assert len(found) == count, f"{stage} {what} {len(found)} times"
            return found[-1]

        return eventually_sync(find)


@contextmanager
def open_hooked(simulator: Simulator) -> Iterator[Hooked]:
    gateway = Hooked(simulator)
    try:
        yield gateway
    finally:
        gateway.kill()


@contextmanager
def provoke(simulator: Simulator, gateway: Hooked, stage: str, name: str) -> Iterator[None]:
    """Give a stage something to do; most have enough of it anyway."""
    kind = stage.removeprefix("pump ")
    if kind in PUMPS:
        simulator.control_sync("inject", kind="nan", type=kind, symbol=PUMPS[kind])
    elif stage in ("linger", "subscriptions"):
        with observe(gateway.port, f"/events?symbols={name}"):
            yield
        return
    yield


@pytest.mark.fault(19)
@pytest.mark.timeout(scaled(120))
def test_a_bug_in_a_stage_costs_that_stage_alone(trial: Trial) -> None:
    """
    1. A gateway follows all seven event types, balances and its login; somebody reads quotes.
    2. Each stage in turn raises what nobody thought of.
    Result: it is at work again within 1 s; the stream stays open, quotes go on, and the feed's
    connection is still the first.
    """
    restart_s: list[float] = []
    turns = trial.count(1, 2)  # some share a stage, which five restarts would end
    stages = [*(f"pump {kind}" for kind in PUMPS), *OTHERS]
    with (
        open_simulator("--rate", "5") as simulator,
        open_hooked(simulator) as gateway,
        observe(gateway.port, "/events?symbols=QQQ") as observer,
    ):
        eventually_sync(lambda: observer.is_live("QQQ"), 15)
        for turn in range(1, turns + 1):
            for stage in stages:
                gateway.poison(stage)
                with provoke(simulator, gateway, stage, "KO"):
                    failed = gateway.wait_until("failed", stage, turn)
                with provoke(simulator, gateway, stage, "MSFT"):
                    works = gateway.wait_until("works", stage, turn)
                restart_s.append((works - failed) / 1e9)
        count = len(observer.quotes("QQQ"))
        eventually_sync(lambda: len(observer.quotes("QQQ")) > count)
        assert get(gateway.url + "/status").json()["upstream"]["feed"]["connects"] == 1
        assert not observer.lost_ns
        observer.check_ids()
    trial.tell(f"{len(stages)} stages failed {turns} times each; no stream and no feed was lost")
    trial.measure("at work again after", restart_s, RESTART_S)


@pytest.mark.fault(19)
@pytest.mark.timeout(scaled(120))
@pytest.mark.parametrize(
    ("stage", "reason"),
    [
        ("pump Quote", "the pump of Quote failed 6 times within 60 s (ZeroDivisionError)"),
        pytest.param(
            "balance poll",
            "the balances failed 6 times within 60 s (ZeroDivisionError)",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "session",
            "the session failed 6 times within 60 s (ZeroDivisionError)",
            marks=pytest.mark.long,
        ),
    ],
)
def test_a_stage_that_keeps_failing_ends_the_process(trial: Trial, stage: str, reason: str) -> None:
    """
    1. A gateway at work; somebody reads its events.
    2. A stage fails again and again.
    Result: it was started again five times; the stream ends with `bye`; the process ends with a
    status that is not 0, and its log says why.
    """
    with (
        open_simulator("--rate", "5") as simulator,
        open_hooked(simulator) as gateway,
        observe(gateway.port, "/events?symbols=QQQ") as observer,
    ):
        eventually_sync(lambda: observer.is_live("QQQ"), 15)
        gateway.poison(stage, 100)
        assert gateway.popen.wait(scaled(30)) == 1
        gateway.kill()
        assert observer.seen[-1].kind == "bye"
        assert len(gateway.tell("failed", stage)) == 6
        assert gateway.says(reason)
    trial.tell(f"{stage}: 5 restarts, then exit 1 with the reason")
