"""The bench's desk in NiceGUI: `python bench/reference_nicegui.py PORT`; four metrics, twenty rows.

Every client has elements of its own that a timer fills four times a second, as its tutorials do.
"""

import random
import sys
from importlib import import_module
from typing import Any

ui: Any = import_module("nicegui").ui  # not installed everywhere

METRICS, ROWS, TICK_S = 4, 20, 0.25
COLUMNS = ("symbol", "last", "change", "change_pct", "bid", "ask", "volume")


def quote(index: int) -> dict[str, str]:
    """A row whose price is another every time."""
    last = 100 + index + random.random()
    values = (last, last - 100, last - 100, last - 0.01, last + 0.01, random.random() * 1e6)
    texts = (f"S{index:03d}", *(f"{each:,.2f}" for each in values))
    return dict(zip(COLUMNS, texts, strict=True))


def desk() -> None:
    """The page of one client."""
    with ui.row():
        labels = [ui.label() for _ in range(METRICS)]
    rows = [quote(index) for index in range(ROWS)]
    columns = [{"name": each, "label": each, "field": each} for each in COLUMNS]
    table = ui.table(columns=columns, rows=rows, row_key="symbol")

    def update() -> None:
        for index, label in enumerate(labels):
            label.set_text(quote(index)["last"])
        table.rows = [quote(index) for index in range(ROWS)]
        table.update()

    ui.timer(TICK_S, update)


ui.page("/")(desk)
ui.run(port=int(sys.argv[1]), host="127.0.0.1", reload=False, show=False)
