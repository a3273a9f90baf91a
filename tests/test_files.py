"""The shape of the files: their length, their tests, and the documents that they name."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAX_LINES = 400
REASON = re.compile(r"[Oo]ver 400 lines because ")
"""What a longer file says in its first lines."""

CODE = {".py", ".js", ".css", ".lua", ".html"}


def list_files() -> list[Path]:
    """Return the files of the checkout; of an unpacked archive all that are there."""
    try:
        found = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
        ).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        folders = ("gateway", "tests", "bench", "docs")
        return [path for each in folders for path in (ROOT / each).rglob("*") if path.is_file()]
    return [ROOT / name for name in found if name and (ROOT / name).is_file()]


FILES = list_files()
NAMES = {path.relative_to(ROOT).as_posix() for path in FILES}
MODULES = sorted(
    path.relative_to(ROOT / "gateway")
    for path in FILES
    if path.suffix == ".py" and path.is_relative_to(ROOT / "gateway")
)

MISSING = {
    "pages/authoring/library.py",
    "server/feed_process.py",
    "web/page_renderer.py",
}
"""Modules without a test file of their own so far: take out, never add."""

MIGRATIONS = "store/migrations/"
"""Run by Alembic alone, and compared with the tables as a whole by `tests/store/test_database.py`,
on both kinds of database: a mirrored file could only run them once more."""

LONG = {
    "tests/faults/soak.py",
}
"""Long files that do not say why so far: take out, never add."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize(
    "path",
    [each for each in FILES if each.suffix in CODE and name_of(each) not in LONG],
    ids=name_of,
)
def test_a_long_file_says_why(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= MAX_LINES or REASON.search("\n".join(lines[:20])), len(lines)


PLAIN = (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Pass)


def is_plain(node: ast.stmt) -> bool:
    """Whether a statement only names things: fields of a record, methods of a protocol."""
    if isinstance(node, ast.ClassDef):
        return all(is_plain(each) for each in node.body)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return all(
            isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
            for each in node.body
        )
    return isinstance(node, PLAIN)


def has_code(module: Path) -> bool:
    """Whether there is something to test: docstrings, re-exports and declarations are not."""
    if module.as_posix().startswith(MIGRATIONS):
        return False
    tree = ast.parse((ROOT / "gateway" / module).read_text())
    return not all(is_plain(node) for node in tree.body)


@pytest.mark.parametrize(
    "module",
    [each for each in MODULES if has_code(each) and each.as_posix() not in MISSING],
    ids=str,
)
def test_a_module_has_a_test_file_of_its_own(module: Path) -> None:
    name = "test_package.py" if module.stem == "__init__" else f"test_{module.name}"
    assert f"tests/{module.with_name(name).as_posix()}" in NAMES


@pytest.mark.parametrize(
    ("source", "is_one"),
    [
        ('"""Words."""\nfrom a import b\nNAME = b\n', True),
        ("class Kept:\n    name: str\n    count: int = 0\n", True),
        ('class Asked(Protocol):\n    def ask(self) -> str:\n        """Return it."""\n', True),
        ("class Kept:\n    @property\n    def name(self): return self.key\n", False),
        ("def name(): return 1\n", False),
        ("for name in NAMES: load(name)\n", False),
    ],
)
def test_a_declaration_is_known(source: str, is_one: bool) -> None:
    assert all(is_plain(node) for node in ast.parse(source).body) is is_one


@pytest.mark.parametrize("path", [each for each in FILES if each.suffix == ".py"], ids=name_of)
def test_a_document_that_is_named_exists(path: Path) -> None:
    """Names of documents stand in docstrings and comments; those in code are files of a test."""
    source = path.read_text()
    texts = [
        ast.get_docstring(node) or ""
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    texts += [line.partition("#")[2] for line in source.splitlines() if "#" in line]
    for name in re.findall(r"[\w./-]*\w\.md\b", "\n".join(texts)):
        places = {name, f"docs/{name}", (path.parent / name).relative_to(ROOT).as_posix()}
        assert places & NAMES, name


def test_what_is_excused_is_still_in_need_of_it() -> None:
    tested = {each.as_posix() for each in MODULES} & MISSING
    assert tested == MISSING
    for module in MISSING:
        path = Path(module)
        assert f"tests/{path.with_name(f'test_{path.name}').as_posix()}" not in NAMES
    for name in LONG:
        assert len((ROOT / name).read_text().splitlines()) > MAX_LINES
