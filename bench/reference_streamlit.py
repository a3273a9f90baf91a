"""The bench's desk in Streamlit: `streamlit run bench/reference_streamlit.py`; as in NiceGUI's.

A fragment that is run again four times a second for every viewer, as its documentation says.
"""

import random
from importlib import import_module
from typing import Any

st: Any = import_module("streamlit")  # not installed everywhere

METRICS, ROWS, TICK_S = 4, 20, 0.25
COLUMNS = ("symbol", "last", "change", "change_pct", "bid", "ask", "volume")


def quote(index: int) -> dict[str, str]:
    """A row whose price is another every time."""
    last = 100 + index + random.random()
    values = (last, last - 100, last - 100, last - 0.01, last + 0.01, random.random() * 1e6)
    texts = (f"S{index:03d}", *(f"{each:,.2f}" for each in values))
    return dict(zip(COLUMNS, texts, strict=True))


def desk() -> None:
    """What is run for each viewer and tick."""
    for index, column in enumerate(st.columns(METRICS)):
        column.metric(f"S{index:03d}", quote(index)["last"])
    st.dataframe([quote(index) for index in range(ROWS)])


st.fragment(run_every=TICK_S)(desk)()
