"""What the page's benchmark compares, and that it measures at all."""

import pytest

from bench.page import ROWS, VIEWERS, list_paths, measure_page, measure_viewers, open_server
from bench.page_server import METRICS
from tests.browser.driving import find_chromium, open_chromium


def test_different_views_are_different_and_equal_ones_equal() -> None:
    assert len(set(list_paths("desk", True))) == 1
    assert len(set(list_paths("desk", False))) == VIEWERS


@pytest.mark.browser
def test_a_page_and_its_viewers_are_measured_while_it_moves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = find_chromium()
    if path is None:
        pytest.skip("chromium is not installed")
    monkeypatch.setattr("bench.page.WARM_S", 0.3)
    with open_server(ROWS + METRICS) as (pid, port):
        viewers = measure_viewers(port, pid, "row", list_paths("desk", True, 3), 0.6)
        with open_chromium(path) as browser:
            page = measure_page(browser, f"http://127.0.0.1:{port}/", pid, "row", 0.5)
    assert (viewers.kb_per_s or 0) > 1, "all rows change"
    assert (viewers.server_ms or 0) > 0
    assert (page.updates_per_s or 0) > 1
    assert (page.main_cpu_pct or 0) > 0
