"""Reads page files: runs them, collects their pages, and says where a mistake stands.

A folder's files are all read, except those whose name begins with `_` or `.`, which the others may
import, also later, within a page's function. Every load runs all files again: modules
imported from the folder are forgotten first.
"""

import importlib
import linecache
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from gateway.errors import ConfigurationError
from gateway.pages.authoring.builder import PageError
from gateway.pages.authoring.factory import PageFactory, check_book, open_book


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong in a page file, for the page that shows it."""

    file: str
    line: int | None
    message: str
    is_own: bool = True
    """Whether it was found in the person's own code."""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}, line {self.line}"
        return f"{place}: {self.message}"


class PageFileError(PageError):
    """A page file cannot be used as it is."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(str(mistake))
        self.mistake = mistake


def find_files(path: Path, name: str = "") -> list[Path]:
    """The page files at a path, in order.

    Raises:
        ConfigurationError: when there is nothing at the path, which is called `name`, if given.
    """
    if path.is_dir():
        return sorted(each for each in path.glob("*.py") if each.name[0] not in "._")
    if not path.exists():
        raise ConfigurationError(f"{name or path}: there is no such file or folder of pages")
    return [path]


def load_pages(
    path: Path, prepare: Callable[[PageFactory], None] = lambda factory: None
) -> list[PageFactory]:
    """The pages of a file or folder, each described once, after `prepare` was called with it.

    Raises:
        PageFileError: where it is wrong, and how.
    """
    path = path.resolve()
    folder = path if path.is_dir() else path.parent
    try:
        files = find_files(path)
        with _open_folder(folder), open_book() as book:
            for file in files:
                _run(file)
            for factory in book:
                prepare(factory)
            check_book(book)
    except ConfigurationError:
        raise PageFileError(Mistake(path.name, None, "the file is not there any more")) from None
    except (Exception, SystemExit) as error:  # what a person wrote may raise anything
        raise PageFileError(find_mistake(error, folder)) from error
    if not book:
        words = 'there is no page in it: write @page("/") above a function that calls its panels'
        raise PageFileError(Mistake(path.name, None, words))
    return book


def find_mistake(error: BaseException, folder: Path | None = None) -> Mistake:
    """The last line of the person's own code that the error went through, and what it says."""
    if isinstance(error, SyntaxError) and error.filename:
        return Mistake(Path(error.filename).name, error.lineno, f"{_kind(error)}{error.msg}")
    frames = traceback.extract_tb(error.__traceback__)
    is_own = any(_is_own(Path(each.filename), folder) for each in frames)
    file, line = find_own_line(frames, folder)
    return Mistake(file, line, f"{_kind(error)}{error}".rstrip(": "), is_own)


def find_own_line(
    frames: Sequence[traceback.FrameSummary], folder: Path | None = None
) -> tuple[str, int | None]:
    """The last file and line of the person's own code among these; else the last of all."""
    own = [each for each in frames if _is_own(Path(each.filename), folder)]
    where = own[-1] if own else frames[-1] if frames else None
    return (Path(where.filename).name, where.lineno) if where else ("the pages", None)


_PACKAGE = Path(__file__).parents[2]


def _is_own(file: Path, folder: Path | None) -> bool:
    if folder is not None:
        return file.is_relative_to(folder) and not file.is_relative_to(_PACKAGE)
    is_library = "site-packages" in file.parts or file.is_relative_to(sys.base_prefix)
    return not is_library and not file.is_relative_to(_PACKAGE) and file.suffix == ".py"


def _kind(error: BaseException) -> str:
    """The error's name, but for ours, whose sentences stand alone."""
    return "" if isinstance(error, PageError) else f"{type(error).__name__}: "


def _run(file: Path) -> None:
    module = ModuleType(file.stem)
    module.__file__ = str(file)
    # Under a name of its own: a page file may be called like a module of the standard library.
    name = f"gateway_page_{file.stem}"
    module.__name__ = name
    sys.modules[name] = module  # `dataclass` and `get_type_hints` look there
    try:
        linecache.checkcache(str(file))
        exec(compile(file.read_bytes(), str(file), "exec"), module.__dict__)
    finally:
        del sys.modules[name]


_opened: set[Path] = set()
"""Folders that pages were read from."""


@contextmanager
def _open_folder(folder: Path) -> Iterator[None]:
    """Lets the files import each other, within the block before all that is installed.

    What is imported later, by a page's function, is looked for there last of all: a file that is
    called like a module of somebody else's must not take its place.
    """
    importlib.invalidate_caches()
    _opened.add(folder)
    for each in _opened:
        _forget_modules(each)
        if str(each) in sys.path:
            sys.path.remove(str(each))
    # Two saves within a second may leave the same time and size: a kept compilation would be old.
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.path.append(str(folder))
        sys.dont_write_bytecode = writes_bytecode


def _forget_modules(folder: Path) -> None:
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and Path(file).is_relative_to(folder) and not _is_installed(Path(file), folder):
            del sys.modules[name]


def _is_installed(file: Path, folder: Path) -> bool:
    """Whether a module below the folder is no page's: the folder may hold a whole environment."""
    inside: Sequence[str] = file.relative_to(folder).parts
    return len(inside) > 2 or file.is_relative_to(_PACKAGE) or "site-packages" in inside
