"""gateway run and a page file, on a simulated market."""

import re
from pathlib import Path

from tests.cli.commands import run_demo
from tests.waiting import eventually_sync
from tests.web.running import (
    get,
)

PAGE = """
from gateway.pages import metric, page

@page("/", title="My desk")
def desk():
    metric("QQQ")
"""


def test_a_page_file_is_served_with_the_demo_when_nothing_is_set(folder: Path) -> None:
    """
    1. A folder has a page file and nothing else; no credentials are set.
    2. `gateway run my_page.py`, then `gateway run` with GATEWAY_PAGES.
    Result: both times the page is there, with a simulated price.
    """
    (folder / "my_page.py").write_text(PAGE)
    given: list[tuple[tuple[str, ...], dict[str, str]]] = [
        (("my_page.py",), {}),
        ((), {"GATEWAY_PAGES": "."}),
    ]
    for arguments, variables_set in given:
        with run_demo(folder, *arguments, command="run", **variables_set) as (url, _, _):
            has_price = re.compile(r'class="value(?: flash-\w+)?">[0-9]+\.[0-9]{2}<')
            eventually_sync(lambda: has_price.search(get(f"{url}/").text), 10)  # noqa: B023
            assert ">My desk · Gateway</title>" in get(f"{url}/").text
