"""Row 32: the long run, two minutes of it in the ordinary run."""

import pytest

from tests.faults.soak import Result, Sample, Soak
from tests.faults.trial import Trial
from tests.waiting import scaled

ORDINARY_MINUTES = 2.0
FULL_MINUTES = 5.0
MOST_GROWTH_KB = 5 * 1024
MOST_STALE_S = 5.0
MOST_LAG_S = 0.05


@pytest.mark.fault(32)
@pytest.mark.longest
@pytest.mark.timeout(scaled(FULL_MINUTES * 60 + 180))
def test_a_long_run(trial: Trial) -> None:
    """
    1. A hundred viewers watch a real gateway; each second one leaves and another comes.
    2. Every ten seconds or so: silence upstream, a cut, three cuts, a black hole, a slow viewer.
    3. All leave.
    Result: ids rise, prices are what was sent, silence is told within 5 s and nothing else is
    called stale; nobody sees another's account; memory, descriptors and tasks are as before.
    """
    minutes = FULL_MINUTES if trial.is_full else ORDINARY_MINUTES
    result = Soak(minutes, trial.rng.randrange(1_000_000), lambda _: None).run()
    trial.tell("; ".join(result.tell()))
    assert not result.problems
    assert result.growth_kb < MOST_GROWTH_KB
    assert result.descriptors[1] <= result.descriptors[0]
    assert result.tasks[1] <= result.tasks[0]
    assert result.compared > 50 * minutes
    if trial.is_full:
        assert result.worst_lag_s < MOST_LAG_S
        assert max(result.stale_after_s) <= MOST_STALE_S


def test_figures_of_a_run() -> None:
    """Growth and slope are of the time after the warm-up, whatever came before."""
    result = Result(seed=1, minutes=1.0, warm_s=10.0)
    result.samples = [Sample(float(at), 1000 * at, 9.0, 0) for at in range(10)]
    result.samples += [Sample(float(at), 50_000 + at, 0.001, 0) for at in range(10, 110)]
    assert result.growth_kb == 90
    assert result.slope_kb_per_h == pytest.approx(3600)
    assert result.worst_lag_s == 0.001
