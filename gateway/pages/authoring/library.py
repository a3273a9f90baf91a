"""The pages that are served: the built-in home, and those of a file or folder, as they change.

The last pages that could be read stay up while a mistake is in the file; the mistake is shown above
them, on every open page, until it is mended.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from gateway.pages.authoring.factory import PageFactory, check_book
from gateway.pages.authoring.loader import Mistake, PageFileError, load_pages
from gateway.pages.home import home
from gateway.pages.panel import FragmentPanel, Region
from gateway.streams.records import Record
from gateway.streams.topics import Topic

logger = logging.getLogger(__name__)

WATCH_MS = 50
"""Changes so close to each other are one: editors write a file in several steps."""
DEBOUNCE_MS = 400
"""When changes do not end, they are taken as one after so long."""


class MistakePanel(FragmentPanel):
    """What is wrong in the page file, on every page; empty when nothing is."""

    template: ClassVar[str] = "panels/mistake.html"
    frame: ClassVar[str] = "panels/mistake_frame.html"
    region: ClassVar[Region] = "notice"
    refresh_s: float | None = 0.25  # the library, not a record, says what it is

    def __init__(self, library: "Library") -> None:
        super().__init__("mistake")
        self._library = library

    def keys(self, accounts: Sequence[str]) -> tuple[Topic, ...]:
        """Nothing of the hub."""
        return ()

    def context(self, records: Sequence[Record | None], now_ms: int) -> dict[str, Any]:
        """The mistake, or None."""
        return {"mistake": self._library.mistake}


@dataclass(frozen=True, slots=True)
class Link:
    """A page in the navigation."""

    title: str
    path: str
    name: str


class Library:
    """The pages by path and by name; `on_change` is called after they were read anew."""

    def __init__(self, path: Path | None = None, factories: Sequence[PageFactory] = ()) -> None:
        """Raises: PageError, when pages that come from no file are described wrongly."""
        self.path = path
        # The folder, not the file: an editor may put another file in its place.
        self._folder = None if path is None else _folder_of(path)
        self.mistake: Mistake | None = None
        self.on_change: Callable[[], None] = lambda: None
        self._generation = 0
        self._common = (*home.common, MistakePanel(self)) if path else home.common
        self._fixed = tuple(factories)
        for factory in factories:
            self._prepare(factory)
        check_book(factories)
        self._factories = self._complete(())
        if path is not None:
            self.load()

    @property
    def links(self) -> list[Link]:
        """The pages that can be gone to without saying more."""
        return [Link(each.title, each.path, each.name) for each in self._factories if each.is_plain]

    def find(self, path: str) -> tuple[PageFactory, dict[str, str]] | None:
        """The page at a path, and the parameters in it; a plain path wins over a pattern."""
        found = [
            (each, given) for each in self._factories if (given := each.match(path)) is not None
        ]
        return min(found, key=lambda each: len(each[1])) if found else None

    def get(self, name: str) -> PageFactory | None:
        """The page whose stream has this name."""
        return next((each for each in self._factories if each.name == name), None)

    def load(self) -> bool:
        """Whether the file could be read; if not, `mistake` says why and the pages stay."""
        assert self.path is not None
        self._generation += 1
        try:
            factories = load_pages(self.path, self._prepare)
        except PageFileError as error:
            logger.warning("%s", error)
            self.mistake = error.mistake
            return False
        self.mistake = None
        self._factories = self._complete(factories)
        return True

    async def watch(self) -> None:
        """Read the file again whenever it changes, until cancelled; at once when there is none."""
        if self._folder is None:
            return
        from watchfiles import PythonFilter, awatch

        is_page = PythonFilter(extra_extensions=(".html",))
        changes = awatch(self._folder, watch_filter=is_page, debounce=DEBOUNCE_MS, step=WATCH_MS)
        try:
            async for _ in changes:
                # In a thread: a page file may read other files, or think for long.
                if await asyncio.to_thread(self.load):
                    self.on_change()
        except (OSError, RuntimeError):
            # The kernel has no watch left to give; what was read goes on being served.
            logger.exception("%s is not watched any more; restart to see changes", self.path)

    def _prepare(self, factory: PageFactory) -> None:
        factory.generation = self._generation
        factory.common = self._common

    def _complete(self, factories: Sequence[PageFactory]) -> tuple[PageFactory, ...]:
        found = [*self._fixed, *factories]
        if all(each.path != home.path for each in found):
            # A copy, because what stands above the pages is this library's.
            own = PageFactory(home.path, home.title, home.function)
            own.common = self._common
            found.insert(0, own)
        return tuple(found)


def _folder_of(path: Path) -> Path:
    path = path.resolve()
    return path if path.is_dir() else path.parent
