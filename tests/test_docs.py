"""docs/pages.md is true: its examples run, and what it names exists."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import gateway.pages
from gateway.pages.authoring.factory import PageFactory
from gateway.pages.authoring.loader import load_pages
from gateway.pages.panels.chart import HOURS, INTERVALS, KINDS
from gateway.pages.panels.watchlist import COLUMNS, SORTS
from gateway.pages.rendering.templates import FILTERS
from gateway.streams.records import Record
from tests.pages.reading import make_balance, make_quote
from tests.pages.showing import render

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "pages.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
OWN = [each for each in EXAMPLES if "@panel(" in each]


def load(folder: Path, source: str) -> list[PageFactory]:
    file = folder / "my_page.py"
    file.write_text(source)
    return load_pages(file)


def show(folder: Path, source: str, *records: Record) -> str:
    """What the last panel of the page shows of these records."""
    (factory,) = load(folder, source)
    return " ".join(render(factory.describe().panels[-1], *records).words.split())


def test_there_are_three_complete_panels() -> None:
    assert len(OWN) == 3


def test_the_first_example_is_a_page(tmp_path: Path) -> None:
    (factory,) = load(tmp_path, EXAMPLES[0])
    ids = [each.id for each in factory.describe().panels]
    assert {"metric", "balance", "watchlist", "chart-now", "chart-history"} <= set(ids)


def test_the_example_with_parameters(tmp_path: Path) -> None:
    imports = "from gateway.pages import chart, metric, page\n"
    (factory,) = load(tmp_path, imports + EXAMPLES[1])
    page = factory.describe(symbol="QQQ", interval="1h")
    assert "QQQ{=h,tho=true}" in page.symbols


def test_the_spread(tmp_path: Path) -> None:
    assert show(tmp_path, OWN[0]) == "SPY –"
    quote = make_quote("SPY", bid=Decimal("450.20"), ask=Decimal("450.27"))
    assert show(tmp_path, OWN[0], quote) == "SPY 0.07"


def test_the_ranking(tmp_path: Path) -> None:
    quotes = [
        make_quote("SPY", change_pct=Decimal("0.5")),
        make_quote("QQQ", change_pct=Decimal("1.25")),
        make_quote("AAPL"),
    ]
    assert show(tmp_path, OWN[1], *quotes) == "QQQ +1.25% SPY +0.50%"


def test_the_share_of_cash(tmp_path: Path) -> None:
    assert show(tmp_path, OWN[2]) == "In cash: –"
    balances = (
        make_balance("1", "100.00", cash=Decimal(30)),
        make_balance("2", "100", cash=Decimal(20)),
    )
    assert show(tmp_path, OWN[2], *balances) == "In cash: +25.00%"


def code(text: str) -> set[str]:
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return set(re.findall(r"`([^`]+)`", outside))


def test_every_panel_has_its_picture() -> None:
    pictures = re.findall(r"^!\[.*\]\((pictures/.*)\)$", TEXT, re.MULTILINE)
    assert all((ROOT / "docs" / each).is_file() for each in pictures)
    others = {"PageError", "Symbols", "columns", "page", "panel", "section", "tabs"}
    shown = {Path(each).stem for each in pictures}
    assert shown == {*gateway.pages.__all__, "desk", "panels"} - others


def test_every_panel_is_named() -> None:
    rows = re.findall(r"^\| (`.*?) \|", TEXT, re.MULTILINE)
    named = {each.partition("(")[0] for row in rows for each in code(row)}
    others = {"PageError", "Symbols", "columns", "page", "panel", "section", "tabs"}
    assert named == set(gateway.pages.__all__) - others
    assert all(each in TEXT for each in others - {"PageError"})


@pytest.mark.parametrize("names", [COLUMNS, SORTS, INTERVALS, KINDS, HOURS, FILTERS])
def test_every_word_is_named(names: Any) -> None:
    assert set(names) <= {part for each in code(TEXT) for part in re.split(r'[" =\[\],()]', each)}


def test_every_picture_is_there() -> None:
    for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", TEXT):
        assert (ROOT / "docs" / name).exists(), name
