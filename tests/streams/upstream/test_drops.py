"""Counts of what was left out, in numbers and in words."""

import ast
import inspect

from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.upstream import accounts, frames, market_data, normalize, plausibility, sdk
from gateway.streams.upstream.drops import REASONS, DropStats, Fate, describe, report_drops

MODULES = (accounts, frames, market_data, normalize, plausibility, sdk)
FATES: tuple[Fate, ...] = ("dropped", "nulled", "suspicious")
drop_stats = st.dictionaries(
    st.sampled_from(FATES),
    st.dictionaries(
        st.tuples(st.sampled_from(["Quote", "frame"]), st.sampled_from(sorted(REASONS))),
        st.integers(0, 10**12),
    ).map(DropStats),
)


@given(drop_stats)
def test_every_count_is_reported_once_and_has_its_sentence(counted: dict[Fate, DropStats]) -> None:
    report = report_drops(counted)
    told = {(fate, kind, reason): count for fate, kind, reason, count in report.counts}
    assert len(told) == len(report.counts) == len(report.in_words)
    assert told == {
        (fate, *key): count
        for fate, drops in counted.items()
        for key, count in drops.items()
        if count
    }
    for sentence in describe(counted):
        assert sentence.endswith(".")
        assert int(sentence.split()[0].replace(",", "")) in told.values()


def test_every_reason_that_is_counted_has_its_words() -> None:
    """And every one that has words is counted somewhere."""
    texts = {
        node.value
        for module in MODULES
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(REASONS) <= texts
    counted: list[str] = []
    for module in MODULES:
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            is_type = isinstance(node, ast.Subscript) and "Literal" in ast.unparse(node.value)
            if (
                isinstance(node, ast.Subscript)
                and not is_type
                and isinstance(node.slice, ast.Tuple)
            ):
                last = node.slice.elts[-1]
                if isinstance(last, ast.Constant) and isinstance(last.value, str):
                    counted.append(last.value)
    assert len(counted) > 8
    assert set(counted) <= set(REASONS)
