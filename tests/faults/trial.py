"""What a test of the fault table is given, and how it tells what it found.

A test of row 7 is marked `@pytest.mark.fault(7)` and takes the fixture `trial`; it may live beside
the module that it tries. In the ordinary run it makes few tries and no timer decides; with
`--full`, as in `make faults`, it makes all tries and what was measured must be within the target.
A test that is marked `long` runs with `--full` only.
"""

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

PROPERTY = "fault"
"""Of a test report: a pair (row, figure) that was told."""


@dataclass(slots=True)
class Trial:
    """One test's part of the run."""

    row: int
    is_full: bool
    rng: random.Random
    properties: list[tuple[str, object]] = field(repr=False)

    def count(self, few: int, all_: int) -> int:
        """How often to try: `few` in the ordinary run, `all_` in the full one."""
        return all_ if self.is_full else few

    def tell(self, figure: str) -> None:
        """Put a figure into the report: `50 of 50 reconnects`."""
        self.properties.append((PROPERTY, (self.row, figure)))

    def measure(self, what: str, values: Sequence[float], at_most: float, unit: str = "s") -> None:
        """Report the median and the worst of `values`; in the full run the target decides.

        Raises: AssertionError, in the full run, when the worst is beyond `at_most`.
        """
        assert values, f"{what}: nothing was measured"
        worst = max(values)
        self.tell(
            f"{what} {describe(statistics.median(values))} {unit} (median), "
            f"{describe(worst)} {unit} (worst of {len(values)}; target {at_most:g} {unit})"
        )
        assert worst <= at_most or not self.is_full, f"{what}: {worst:.3f} {unit}"


def describe(value: float) -> str:
    """`0.21`, `12.3`, `1,840`: three digits that mean something."""
    magnitude = abs(value)
    decimals = 0 if magnitude >= 100 else 1 if magnitude >= 10 else 2 if magnitude >= 0.1 else 4
    return f"{value:,.{decimals}f}"
