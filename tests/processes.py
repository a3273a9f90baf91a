"""The `gateway` command as a process of its own: started, watched, signalled, ended."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from gateway.settings import variables
from tests.simulation import ROOT, Simulator
from tests.waiting import eventually_sync, scaled
from tests.web.running import get


def clean_environment(**variables_set: str) -> dict[str, str]:
    """This environment without what a gateway would read, but with what is given.

    Unless that says otherwise, what the gateway keeps is in a folder that nobody else has.
    """
    unwanted = variables()
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    state_home = tempfile.mkdtemp(dir=os.environ.get("XDG_STATE_HOME"))
    return kept | {"XDG_STATE_HOME": state_home} | variables_set


SECRETS = ("TT_SECRET", "TT_REFRESH", "GATEWAY_TOKEN")


class Process:
    """A `gateway` command; its log is read as it comes, so that it never waits for us.

    Every one of them, in whatever test, is looked at for the secrets that it was given. It reads
    what is written to `popen.stdin`, which only few do.
    """

    program: ClassVar[Sequence[str]] = ("-m", "gateway")
    """What Python runs."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.log: list[str] = []
        self._secrets = [environment[name] for name in SECRETS if environment.get(name)]
        self.popen = subprocess.Popen(
            [sys.executable, *self.program, *arguments],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment(**environment),
            cwd=ROOT,
        )
        self._has_leaked = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            self.log.append(line)
            self._has_leaked |= any(secret in line for secret in self._secrets)

    def says(self, words: str) -> bool:
        return any(words in line for line in self.log)

    def wait_for(self, words: str, timeout_s: float = 10.0) -> str:
        """The first line with these words."""

        def find() -> str:
            found = next((line for line in list(self.log) if words in line), "")
            assert found, f"never said {words!r}, but: {''.join(self.log[-20:])}"
            return found

        return eventually_sync(find, timeout_s)

    def send(self, number: int) -> None:
        self.popen.send_signal(number)

    def stop(self) -> int:
        """The exit status after SIGTERM."""
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        status = self.popen.wait(scaled(15))
        self._close()
        return status

    def kill(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait(scaled(5))
        self._close()

    def _close(self) -> None:
        self._reader.join(scaled(5))
        assert self.popen.stderr is not None
        assert self.popen.stdin is not None
        self.popen.stderr.close()
        self.popen.stdin.close()
        assert not self._has_leaked, "a secret is in the log"


class Gateway(Process):
    """`gateway serve` on a port of its own, which it keeps when it is started again."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        super().__init__("serve", "--port", "0", *arguments, **environment)
        try:
            self.url = self.wait_for("live on ", 20).split()[-1]
        except AssertionError:
            self.kill()
            raise
        self.port = int(self.url.rpartition(":")[2])
        self.arguments = arguments
        self.environment = environment

    def restart(self) -> None:
        """Start it again on its port, once it has ended."""
        super().__init__("serve", "--port", str(self.port), *self.arguments, **self.environment)
        self.wait_for("live on ", 20)

    def read_metric(self, name: str) -> float:
        """One value of `/metrics`, its labels in the name, where no token is asked for."""
        lines = get(f"{self.url}/metrics").text.splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))

    def count_descriptors(self) -> int:
        """Open files and sockets (Linux)."""
        return len(list(Path(f"/proc/{self.popen.pid}/fd").iterdir()))

    def measure_rss_kb(self) -> int:
        """Resident memory (Linux)."""
        for line in Path(f"/proc/{self.popen.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")


def environment_of(simulator: Simulator, **overrides: str) -> dict[str, str]:
    """What points a gateway at this simulator."""
    hello = simulator.hello
    given = {
        "TT_SECRET": hello["secret"],
        "TT_REFRESH": hello["refresh"],
        "SIMULATOR_REST": hello["rest"],
        "SIMULATOR_ACCOUNT_WS": hello["account_ws"],
        "GATEWAY_MARKET": "open",
        "GATEWAY_SYMBOLS": "SPY,QQQ,SPX",
    }
    return given | overrides


@contextmanager
def open_served(simulator: Simulator, **overrides: str) -> Iterator[Gateway]:
    """A gateway that is pointed at this simulator, killed on leaving if it still runs."""
    gateway = Gateway(**environment_of(simulator, **overrides))
    try:
        yield gateway
    finally:
        gateway.kill()
