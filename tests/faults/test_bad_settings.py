"""Each setting missing, empty and malformed, given to the real command (row 31)."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.settings import variables
from tests.faults.trial import Trial
from tests.processes import clean_environment
from tests.simulation import ROOT
from tests.waiting import scaled

CANARY = "canary-8c1f-5b"
"""In every value: it must never be told."""

CREDENTIALS = {"TT_SECRET": f"{CANARY}-secret", "TT_REFRESH": f"{CANARY}-refresh"}

SIMULATOR = {
    "SIMULATOR_REST": "http://127.0.0.1:1",
    "SIMULATOR_ACCOUNT_WS": "ws://127.0.0.1:1",
}

ANY_TEXT = {"TT_SECRET", "TT_REFRESH", "TT_ACCOUNTS", "GATEWAY_ALLOWED_HOSTS"}
"""Nothing can be malformed about these at the start."""

MALFORMED = {
    "HOST": f"{CANARY}..invalid",
    "GATEWAY_TOKEN": CANARY,  # too short
    "GATEWAY_SYMBOLS": f"SPY,<{CANARY}>",
    "REDIS_URL": f"http://{CANARY}",
}
"""Where the canary alone would do."""

BESIDE = {
    **dict.fromkeys(SIMULATOR, SIMULATOR),
    "HOST": {"GATEWAY_TOKEN": f"{CANARY}-token"},
}
"""What must be set too, so that this one alone is wrong."""

NEEDED: dict[str, dict[str, str]] = {
    "TT_SECRET": {},
    "TT_REFRESH": {},
    **dict.fromkeys(SIMULATOR, SIMULATOR),
    "GATEWAY_TOKEN": {"HOST": "0.0.0.0"},
}
"""What cannot be left out, and with what set."""


def run(environment: dict[str, str], folder: Path) -> tuple[str, float]:
    """The one line that `gateway serve` says, and the seconds until its end."""
    begun_s = time.monotonic()
    revoked = subprocess.run(
        [sys.executable, "-m", "gateway", "serve"],
        capture_output=True,
        text=True,
        timeout=scaled(20),
        cwd=folder,
        env=clean_environment(**{"PYTHONPATH": str(ROOT), "PORT": "0", **environment}),
        check=False,
    )
    taken_s = time.monotonic() - begun_s
    assert revoked.returncode == 2, revoked.stderr
    assert revoked.stdout == ""
    assert CANARY not in revoked.stderr
    (line,) = revoked.stderr.splitlines()
    return line, taken_s


def make_malformed(folder: Path) -> dict[str, str]:
    """A malformed value of each variable that has one."""
    viewers = folder / f"{CANARY}.toml"
    viewers.write_text("names = [")
    viewers.chmod(0o600)
    values = {name: MALFORMED.get(name, CANARY) for name in variables() if name not in ANY_TEXT}
    return values | {"GATEWAY_VIEWERS": str(viewers)}


@pytest.mark.fault(31)
@pytest.mark.timeout(scaled(120))
def test_a_setting_that_is_wrong_ends_the_start_at_once(trial: Trial, tmp_path: Path) -> None:
    """
    1. `gateway serve` with one setting malformed, or with one that is needed missing or empty.
    Result: status 2 and one line that begins with the variable and has no value in it, at once.
    """
    tries = []
    for name, value in make_malformed(tmp_path).items():
        given = {**CREDENTIALS, **BESIDE.get(name, {}), name: value}
        given.pop(name.removesuffix("_FILE") if name.endswith("_FILE") else "", None)
        tries.append((name, given))
    for name, others in NEEDED.items():
        given = {**CREDENTIALS, **others}
        missing = {other: value for other, value in given.items() if other != name}
        tries += [(name, missing), (name, {**given, name: ""})]
    chosen = trial.rng.sample(tries, trial.count(4, len(tries)))
    taken_s = []
    for name, environment in chosen:
        line, each_s = run(environment, tmp_path)
        assert line.startswith(f"gateway: {name}: "), line
        taken_s.append(each_s)
    trial.tell(f"{len(chosen)} of {len(tries)} starts with a wrong, missing or empty setting")
    trial.measure("exit", taken_s, at_most=1)
