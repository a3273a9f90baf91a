"""The long run: a hundred viewers who come and go, and faults in between; what holds throughout.

`make soak MINUTES=60`, or `python -m tests.faults.soak --minutes 60 --seed 7`. A real simulator, a
real gateway, a TCP proxy between them; here are the viewers, the faults and the witness.
"""

import argparse
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from gateway.web.auth.viewers import add_viewer
from tests.faults.observer import Observer, live_after, observe
from tests.faults.proxy import Proxy, open_proxy
from tests.faults.visitors import Crowd, Watcher
from tests.processes import Gateway, open_served
from tests.simulation import Simulator, open_simulator
from tests.waiting import eventually_sync
from tests.web.running import TLS

VIEWERS = 100
CHURN_S = 1.0
SYMBOLS = ("SPY", "QQQ", "AAPL", "MSFT", "NVDA", "TSLA", "AMD", "IWM")
WITNESSED = "SPY"
WARM_SHARE = 0.25
"""Of the run; memory is compared from then on. At most half an hour."""
MOST_WARM_S = 1800.0
FAULT_EVERY_S = (6.0, 14.0)
MUTE_S = 7.0
"""Long enough to be called stale and to be reconnected."""
STALE_S = 20.0
"""More, and silence is not told at all; how soon it is told is a figure."""
BACK_S = 10.0
"""A fault that is over is forgotten after so long, or something is wrong."""
STARVED_S = 1.0
SLOW_S = 12.0


@dataclass(slots=True)
class Sample:
    """The gateway at one moment."""

    at_s: float
    rss_kb: int
    lag_s: float
    streams: int


@dataclass(slots=True)
class Result:
    """What was seen; `problems` is empty when all held."""

    seed: int
    minutes: float
    viewers: int = 0
    events: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    stale_after_s: list[float] = field(default_factory=list)
    back_after_s: list[float] = field(default_factory=list)
    compared: int = 0
    late_s: float = 0.0
    """How late this program itself came to its turn, at most."""
    samples: list[Sample] = field(default_factory=list)
    warm_s: float = 0.0
    descriptors: tuple[int, int] = (0, 0)
    tasks: tuple[int, int] = (0, 0)
    problems: list[str] = field(default_factory=list)

    @property
    def warm(self) -> list[Sample]:
        """The samples after the warm-up."""
        return [each for each in self.samples if each.at_s >= self.warm_s]

    @property
    def growth_kb(self) -> int:
        """From the first to the last tenth of the time after the warm-up, medians."""
        rss = [each.rss_kb for each in self.warm]
        part = max(1, len(rss) // 10)
        return sorted(rss[-part:])[part // 2] - sorted(rss[:part])[part // 2]

    @property
    def slope_kb_per_h(self) -> float:
        """Least squares over the time after the warm-up."""
        times = [each.at_s for each in self.warm]
        rss = [float(each.rss_kb) for each in self.warm]
        mean_t, mean_r = sum(times) / len(times), sum(rss) / len(rss)
        spread = sum((each - mean_t) ** 2 for each in times)
        product = sum((t - mean_t) * (r - mean_r) for t, r in zip(times, rss, strict=True))
        return product / spread * 3600 if spread else 0.0

    @property
    def worst_lag_s(self) -> float:
        """Of the event loop, after the warm-up."""
        return max(each.lag_s for each in self.warm)

    def tell(self) -> list[str]:
        """The figures, one a line."""
        faults = ", ".join(f"{count} {name}" for name, count in sorted(self.faults.items()))
        slope = f"slope {self.slope_kb_per_h / 1024:+.2f} MiB/h"
        stale_s, back_s = (
            max(each, default=0.0) for each in (self.stale_after_s, self.back_after_s)
        )
        before, after = zip(self.descriptors, self.tasks, strict=True)
        return [
            f"{self.minutes:g} min, {self.viewers} viewers came, {self.events:,} events; {faults}",
            f"RSS {self.growth_kb:+,} KiB after the warm-up of {self.warm_s:.0f} s ({slope})",
            f"descriptors {before[0]} before, {after[0]} after; tasks {before[1]} and {after[1]}",
            f"this program late by {self.late_s:.2f} s at most",
            f"longest lag {self.worst_lag_s * 1000:.0f} ms; {self.compared:,} prices as sent",
            f"silence told after {stale_s:.2f} s at most; live {back_s:.2f} s after faults at most",
        ]


class Soak:
    """One run."""

    def __init__(self, minutes: float, seed: int, say: Callable[[str], None]) -> None:
        self.result = Result(seed, minutes)
        self._say = say
        self._rng = random.Random(seed)
        self._token = secrets.token_urlsafe(24)
        self._sent: dict[int, dict[str, Any]] = {}

    def run(self) -> Result:
        """The result, after `minutes`."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            simulator = stack.enter_context(open_simulator("--rate", "2"))
            feed = stack.enter_context(open_proxy(_port_of(simulator.hello["dxlink_ws"])))
            path = _path_of(simulator.hello["dxlink_ws"])
            simulator.control_sync("address", feed=f"ws://127.0.0.1:{feed.port}{path}")
            granted = str(simulator.hello["accounts"][0])
            friend = add_viewer(folder / "viewers.toml", "friend", frozenset({granted}))
            gateway = stack.enter_context(
                open_served(
                    simulator,
                    GATEWAY_TOKEN=self._token,
                    GATEWAY_VIEWERS=str(folder / "viewers.toml"),
                    GATEWAY_SYMBOLS=",".join(SYMBOLS),
                    GATEWAY_HEARTBEAT_S="2",
                    GATEWAY_HISTORY_EVENTS="1024",  # full in the warm-up, or it looks like a leak
                )
            )
            crowd = Crowd(lambda: self._make_watcher(gateway.port, friend, granted), self._rng)
            stack.callback(crowd.close)
            self._run(simulator, feed, gateway, crowd)
            self._check_log(gateway, simulator, friend)
            if (status := gateway.stop()) != 0:
                self.result.problems.append(f"the gateway ended with {status}")
        return self.result

    def _run(self, simulator: Simulator, feed: Proxy, gateway: Gateway, crowd: Crowd) -> None:
        result = self.result
        path = f"/events?symbols={WITNESSED}"  # all of it is kept
        self._rehearse(gateway, crowd)
        base = self._rest(gateway)
        crowd.come(VIEWERS)
        with observe(gateway.port, path, token=self._token) as witness:
            eventually_sync(lambda: witness.is_live(WITNESSED), 20)
            begun_s = time.monotonic()
            result.warm_s = min(MOST_WARM_S, result.minutes * 60 * WARM_SHARE)
            end_s = begun_s + result.minutes * 60
            due_s = begun_s + self._rng.uniform(*FAULT_EVERY_S)
            excused: list[tuple[int, int]] = []
            while (now_s := time.monotonic()) < end_s:
                self._sample(gateway, now_s - begun_s)
                self._collect(simulator)
                crowd.churn()
                if now_s >= due_s and now_s + MUTE_S + BACK_S < end_s:
                    begun_ns = time.monotonic_ns()
                    self._break(simulator, feed, witness, crowd)
                    excused.append((begun_ns, time.monotonic_ns()))
                    due_s = time.monotonic() + self._rng.uniform(*FAULT_EVERY_S)
                pause_s = max(0.0, now_s + CHURN_S - time.monotonic())
                wake_s = time.monotonic() + pause_s
                time.sleep(pause_s)
                result.late_s = max(result.late_s, time.monotonic() - wake_s)
            self._collect(simulator)
            self._check_end(simulator, witness, excused)
        result.viewers = crowd.came
        crowd.leave()
        result.events, result.problems = crowd.events, [*result.problems, *crowd.problems]
        after = self._rest(gateway, base)
        result.descriptors, result.tasks = (base[0], after[0]), (base[1], after[1])

    def _rehearse(self, gateway: Gateway, crowd: Crowd) -> None:
        """Let some come and go first, so that what is made once has been made."""
        eventually_sync(lambda: self._metric(gateway, "gateway_last_event_age_seconds") < 1, 20)
        crowd.come(20)
        eventually_sync(lambda: self._metric(gateway, "gateway_streams_open") == 20, 20)
        crowd.leave()

    def _rest(self, gateway: Gateway, base: tuple[int, int] | None = None) -> tuple[int, int]:
        """Descriptors and tasks when nobody watches; as low as `base` again, if given time."""
        eventually_sync(lambda: self._metric(gateway, "gateway_streams_open") == 0, 20)
        counts = (0, 0)

        def is_low() -> bool:
            nonlocal counts
            counts = (gateway.count_descriptors(), int(self._metric(gateway, "gateway_tasks")))
            return base is None or (counts[0] <= base[0] and counts[1] <= base[1])

        # A symbol lingers for 30 s, a kept connection to the broker for about as long.
        with suppress(AssertionError):
            eventually_sync(is_low, 45)
        return counts

    def _make_watcher(self, port: int, friend: str, granted: str) -> Watcher:
        rng = self._rng
        symbols = ",".join(sorted(rng.sample(SYMBOLS, rng.randint(1, 4))))
        kind = rng.random()
        if kind < 0.1:
            return Watcher(port, f"/live/home?symbols={symbols}", self._token, None)
        query = f"symbols={symbols}" + (f"&rate={rng.randint(1, 5)}" if kind < 0.3 else "")
        if kind > 0.7:
            return Watcher(port, f"/events?{query}", friend, frozenset({granted.encode()}))
        return Watcher(port, f"/events?{query}", self._token, None)

    def _break(self, simulator: Simulator, feed: Proxy, witness: Observer, crowd: Crowd) -> None:
        """One fault, from its beginning to the return of a live price."""
        name = self._rng.choice(("mute", "cut", "cuts", "black hole", "slow viewer"))
        self.result.faults[name] = self.result.faults.get(name, 0) + 1
        self._say(f"{name} at {self._minutes_run():.1f} min")
        if name == "slow viewer":
            crowd.slow_down(SLOW_S)
            return
        if name in ("mute", "black hole"):
            self._silence(simulator, feed, witness, name)
        else:
            for _ in range(1 if name == "cut" else 3):
                feed.cut()
                time.sleep(self._rng.uniform(0.05, 0.4))
        begun_ns = time.monotonic_ns()
        try:
            eventually_sync(lambda: is_current(witness, begun_ns), BACK_S)
        except AssertionError:
            self.result.problems.append(f"not live {BACK_S} s after: {name}")
        self.result.back_after_s.append((time.monotonic_ns() - begun_ns) / 1e9)

    def _silence(self, simulator: Simulator, feed: Proxy, witness: Observer, name: str) -> None:
        if name == "mute":
            simulator.control_sync("mute")
        else:
            feed.swallow()
        begun_ns = time.monotonic_ns()
        time.sleep(MUTE_S)
        try:
            eventually_sync(lambda: not witness.is_live(WITNESSED), STALE_S)
        except AssertionError:
            self.result.problems.append(f"{name}: a live price for {MUTE_S + STALE_S} s")
        self.result.stale_after_s.append(live_after(witness.painted(WITNESSED), begun_ns))
        if name == "mute":
            simulator.control_sync("unmute")
        else:
            feed.let_pass()

    def _collect(self, simulator: Simulator) -> None:
        """Keep what the simulator says that it sent, before it forgets."""
        answer = httpx.get(
            f"{simulator.hello['control']}/sent",
            params={"type": "Quote", "symbol": WITNESSED, "limit": 200},
            trust_env=False,
            verify=TLS,
        )
        self._sent |= {int(row["sent_ns"]): row for row in answer.json()}

    def _sample(self, gateway: Gateway, at_s: float) -> None:
        metrics = self._metrics(gateway)
        self.result.samples.append(
            Sample(
                at_s,
                gateway.measure_rss_kb(),
                metrics["gateway_event_loop_lag_seconds"],
                int(metrics["gateway_streams_open"]),
            )
        )

    def _check_end(
        self, simulator: Simulator, witness: Observer, excused: list[tuple[int, int]]
    ) -> None:
        """What the witness saw, when the market stands still."""
        result = self.result
        simulator.control_sync("freeze", symbols=list(SYMBOLS))
        try:
            eventually_sync(lambda: self._agrees(simulator, witness), 10)
        except AssertionError as error:
            result.problems.append(f"the last value is not the last sent: {error}")
        self._collect(simulator)
        try:
            witness.check_ids()
            result.compared = witness.check_values(WITNESSED, self._sent.values())
        except AssertionError as error:
            result.problems.append(f"the witness: {error}")
        # Without a core for seconds, the gateway is right to call a price stale.
        is_starved = result.late_s > STARVED_S
        for before, after in zip(
            witness.painted(WITNESSED), witness.painted(WITNESSED)[1:], strict=False
        ):
            is_excused = any(begun <= after.at_ns <= end for begun, end in excused)
            if before.is_live and not after.is_live and not is_excused and not is_starved:
                result.problems.append("a false alarm: not live although nothing was broken")

    def _agrees(self, simulator: Simulator, witness: Observer) -> bool:
        self._collect(simulator)
        newest = self._sent[max(self._sent)]
        seen = witness.last(WITNESSED)
        assert seen is not None
        return (float(seen["bid"]), float(seen["ask"])) == (
            float(newest["bidPrice"]),
            float(newest["askPrice"]),
        )

    def _check_log(self, gateway: Gateway, simulator: Simulator, friend: str) -> None:
        log = "".join(gateway.log)
        hidden = (self._token, friend, simulator.hello["secret"], simulator.hello["refresh"])
        if any(each in log for each in hidden):
            self.result.problems.append("a secret is in the log")
        for words in ("never retrieved", "Traceback", "ERROR"):
            if words in log:
                line = next(each for each in gateway.log if words in each)
                self.result.problems.append(f"the log says: {line.strip()}")

    def _minutes_run(self) -> float:
        return self.result.samples[-1].at_s / 60

    def _metric(self, gateway: Gateway, name: str) -> float:
        return self._metrics(gateway)[name]

    def _metrics(self, gateway: Gateway) -> dict[str, float]:
        answer = httpx.get(
            f"{gateway.url}/metrics",
            headers={"Authorization": f"Bearer {self._token}"},
            trust_env=False,
            verify=TLS,
        )
        lines = [line.rpartition(" ") for line in answer.text.splitlines() if line[:1] != "#"]
        return {name: float(value) for name, _, value in lines}


def is_current(witness: Observer, since_ns: int) -> bool:
    """Whether a live price is to be seen that came after that instant."""
    screen = witness.painted(WITNESSED)
    return bool(screen) and screen[-1].is_live and screen[-1].at_ns > since_ns


def _port_of(url: str) -> int:
    port = httpx.URL(url).port
    assert port is not None
    return port


def _path_of(url: str) -> str:
    return httpx.URL(url).path


def main() -> int:
    """Run once, print the figures; 1 when something did not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    given = parser.parse_args()
    print(f"seed {given.seed}, {given.minutes:g} minutes", flush=True)
    soak = Soak(given.minutes, given.seed, lambda text: print(f"  {text}", flush=True))
    result = soak.run()
    print("\n".join(result.tell()))
    for problem in result.problems:
        print(f"NOT HELD: {problem}")
    return 1 if result.problems else 0


if __name__ == "__main__":
    sys.exit(main())
