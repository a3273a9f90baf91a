"""The rows that `bench.page` measures, and the table of them."""

from collections.abc import Callable, Sequence

import msgspec


class Result(msgspec.Struct, frozen=True):
    """One line of the table; None is what this row has no figure for."""

    row: str
    target: str = ""
    main_thread_pct: float | None = None
    main_cpu_pct: float | None = None
    """CPU time of the browser's main thread in per cent of the time, without waits for a core."""
    script_pct: float | None = None
    layout_pct: float | None = None
    paint_ms: float | None = None
    heap_mb: tuple[float, ...] | None = None
    server_ms: float | None = None
    """Server CPU per viewer and second, the feed's own included."""
    viewers_ms: float | None = None
    """`server_ms` less what the server needs when nobody looks."""
    kb_per_s: float | None = None
    """Bytes that one viewer is sent."""
    updates_per_s: float | None = None


COLUMNS: tuple[tuple[str, Callable[[Result], str]], ...] = (
    ("main thread %", lambda each: _number(each.main_thread_pct)),
    ("its CPU %", lambda each: _number(each.main_cpu_pct)),
    ("script %", lambda each: _number(each.script_pct)),
    ("style+layout %", lambda each: _number(each.layout_pct)),
    ("paint ms", lambda each: _number(each.paint_ms)),
    ("server ms/viewer·s", lambda each: _number(each.server_ms, 3)),
    ("for viewers", lambda each: _number(each.viewers_ms, 3)),
    ("kB/s", lambda each: _number(each.kb_per_s)),
    ("updates/s", lambda each: _number(each.updates_per_s)),
    ("heap MB", lambda each: " ".join(_number(mb, 2) for mb in each.heap_mb or ())),
)


def _number(value: float | None, decimals: int = 1) -> str:
    return "" if value is None else f"{value:.{decimals}f}"


def print_table(results: Sequence[Result]) -> None:
    """The results with only those columns that say something."""
    columns = [each for each in COLUMNS if any(map(each[1], results))]
    head = ["row", *(name for name, _ in columns), "target"]
    lines = [[each.row, *(show(each) for _, show in columns), each.target] for each in results]
    widths = [max(len(line[index]) for line in [head, *lines]) for index in range(len(head))]
    for line in [head, ["-" * width for width in widths], *lines]:
        print(" | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)))
