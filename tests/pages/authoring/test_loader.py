"""Page files: read anew each time, and where a mistake stands."""

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from gateway.errors import ConfigurationError
from gateway.pages.authoring.library import Library
from gateway.pages.authoring.loader import PageFileError, find_files, load_pages

GOOD = """
from gateway.pages import metric, page

@page("/desk", title="Desk")
def desk():
    metric("SPY")
"""


def write(path: Path, source: str) -> Path:
    path.write_text(dedent(source).lstrip())
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "my_page.py", GOOD)


def test_a_file_is_read_and_described(file: Path) -> None:
    (factory,) = load_pages(file)
    assert (factory.path, factory.title) == ("/desk", "Desk")
    assert factory.describe().symbols[0] == "SPY"


def test_a_folder_is_all_its_files(tmp_path: Path, file: Path) -> None:
    write(tmp_path / "_shared.py", 'SYMBOL = "QQQ"\n')
    write(
        tmp_path / "other.py",
        """
        from _shared import SYMBOL
        from gateway.pages import metric, page

        @page("/other")
        def other():
            metric(SYMBOL)
        """,
    )
    assert [each.path for each in load_pages(tmp_path)] == ["/desk", "/other"]
    write(tmp_path / "_shared.py", 'SYMBOL = "/ESZ26:XCME"\n')
    desk, other = load_pages(tmp_path)
    assert desk.describe().symbols[0] == "SPY"
    assert other.describe().symbols[0] == "/ESZ26:XCME", "what is imported is read anew too"
    assert [each.name for each in find_files(tmp_path)] == ["my_page.py", "other.py"]


def test_a_page_may_import_what_it_needs_when_it_is_described(tmp_path: Path) -> None:
    write(tmp_path / "_late.py", 'SYMBOL = "QQQ"\n')
    file = write(
        tmp_path / "my_page.py",
        """
        from gateway.pages import metric, page

        @page("/late/{name}")
        def late(name):
            from _late import SYMBOL
            metric(SYMBOL)
        """,
    )
    (factory,) = load_pages(file)
    assert factory.describe(name="a").symbols[0] == "QQQ"
    write(tmp_path / "_late.py", 'SYMBOL = "/ESZ26:XCME"\n')
    (factory,) = load_pages(file)
    assert factory.describe(name="a").symbols[0] == "/ESZ26:XCME", "read anew with the page"
    assert sys.path.count(str(tmp_path)) == 1
    other = tmp_path / "other"
    other.mkdir()
    load_pages(write(other / "my_page.py", GOOD))
    assert str(tmp_path) not in sys.path, "only the last folder's"


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("from gateway.pages import page\n@page('/'\n", 2, "SyntaxError: '(' was never closed"),
        ("import nothing_such\n", 1, "ModuleNotFoundError: No module named 'nothing_such'"),
        ("\n\n1 / 0\n", 3, "ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit('enough')\n", 2, "SystemExit: enough"),
        (f"{GOOD}    metric('sp y')\n", 7, "metric: 'sp y' is no symbol"),
        (f"{GOOD}metric('SPY')\n", 7, "metric() is called outside a page"),
        (f"{GOOD}@page('/login')\ndef a(): ...\n", 7, "this address is reserved"),
        (f"{GOOD}    [].pop()\n", 7, "IndexError: pop from empty list"),
        ("x = 1\n", None, "there is no page in it"),
    ],
)
def test_a_mistake_is_found_with_its_line(
    tmp_path: Path, source: str, line: int | None, message: str
) -> None:
    file = tmp_path / "my_page.py"
    file.write_text(source)
    with pytest.raises(PageFileError) as caught:
        load_pages(file)
    mistake = caught.value.mistake
    assert (mistake.file, mistake.line) == ("my_page.py", line)
    assert message in mistake.message


def test_a_mistake_in_a_file_that_is_imported_is_found_there(tmp_path: Path) -> None:
    (tmp_path / "_shared.py").write_text("\nx = y\n")
    write(tmp_path / "my_page.py", f"import _shared\n{GOOD}")
    with pytest.raises(PageFileError, match=r"_shared.py, line 2: NameError: name 'y'"):
        load_pages(tmp_path)


def test_nothing_at_the_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file or folder"):
        find_files(tmp_path / "none.py")


def test_the_last_good_pages_stay(file: Path) -> None:
    library = Library(file)
    good = library.get("desk")
    assert [each.path for each in library.links] == ["/", "/desk"]
    assert library.mistake is None
    write(file, "1 / 0\n")
    assert not library.load()
    assert library.get("desk") is good
    assert str(library.mistake) == "my_page.py, line 1: ZeroDivisionError: division by zero"
    file.unlink()
    assert not library.load()
    assert "not there any more" in str(library.mistake)
    write(file, GOOD.replace("SPY", "QQQ"))
    assert library.load()
    assert library.mistake is None
    mended = library.get("desk")
    assert mended is not None
    assert mended.describe().symbols[0] == "QQQ"
    assert good is not None
    assert mended.describe().key != good.describe().key


def test_a_file_that_is_wrong_from_the_start_shows_the_home_page(tmp_path: Path) -> None:
    library = Library(write(tmp_path / "my_page.py", "1 / 0\n"))
    assert [each.path for each in library.links] == ["/"]
    assert library.mistake is not None


def test_the_home_page_gives_way(file: Path) -> None:
    library = Library(write(file, GOOD.replace("/desk", "/")))
    assert [each.title for each in library.links] == ["Desk"]
    found = library.find("/")
    assert found is not None
    assert found[0].title == "Desk"


def test_a_plain_path_wins_over_a_pattern(tmp_path: Path) -> None:
    library = Library(
        write(
            tmp_path / "my_page.py",
            """
            from gateway.pages import metric, page

            @page("/{symbol}")
            def stock(symbol):
                metric(symbol)

            @page("/desk")
            def desk():
                metric("SPY")
            """,
        )
    )
    found = [library.find(path) for path in ("/desk", "/QQQ", "/QQQ/more")]
    assert [each and (each[0].path, each[1]) for each in found] == [
        ("/desk", {}),
        ("/{symbol}", {"symbol": "QQQ"}),
        None,
    ]
