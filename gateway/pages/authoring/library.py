"""The pages that are served: the built-in home, and those of a file or folder, as they change.

While a file has a mistake, the last pages that worked are still served, and every open page shows
the mistake at its top until it is corrected.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.pages.authoring.factory import PageFactory, check_book
from gateway.pages.authoring.loader import Mistake, PageFileError, load_pages
from gateway.pages.home import ALWAYS, SITE, home
from gateway.pages.panel import FragmentPanel, Region
from gateway.streams.records import Record
from gateway.streams.topics import Topic

logger = logging.getLogger(__name__)

WATCH_MS = 50
"""Changes this close together count as one: editors write a file in several steps."""
DEBOUNCE_MS = 400
"""Changes that go on for this long count as one."""


FILES = "static"
"""The folder beside the page files whose content is served as it is."""


class MistakePanel(FragmentPanel):
    """The mistake in the page file, on every page; empty when there is none."""

    template: ClassVar[str] = "panels/mistake.html"
    frame: ClassVar[str] = "panels/mistake_frame.html"
    region: ClassVar[Region] = "notice"
    refresh_s: float | None = 0.25  # the library, not a record, says what it is

    def __init__(self, library: "Library") -> None:
        super().__init__("mistake")
        self._library = library

    def keys(self) -> tuple[Topic, ...]:
        """Return none: the library says what is wrong, not a record."""
        return ()

    def context(self, records: Sequence[Record | None], now_ms: int) -> dict[str, Any]:
        """Return the mistake, or None."""
        return {"mistake": self._library.mistake}


@dataclass(frozen=True, slots=True)
class Link:
    """A page in the navigation."""

    title: str
    path: str
    name: str


class Library:
    """The pages by path and by name; `listeners` are called after the files were read again."""

    def __init__(
        self,
        path: Path | None = None,
        factories: Sequence[PageFactory] = (),
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Raises: PageError, when pages that come from no file are described wrongly."""
        self.path = path
        self._clock = clock
        # The folder, not the file: an editor may put another file in its place.
        self._folder = None if path is None else _folder_of(path)
        self.mistake: Mistake | None = None
        self.listeners: list[Callable[[], None]] = []
        self.sheets: list[str] = []
        """The style sheets directly in `files`, by name: every page is shown with them."""
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
    def files(self) -> Path | None:
        """The folder of its author's style sheets and pictures, which need not exist."""
        return None if self._folder is None else self._folder / FILES

    @property
    def links(self) -> list[Link]:
        """The pages whose address needs no parameter, for the navigation."""
        return [Link(each.title, each.path, each.name) for each in self._factories if each.is_plain]

    def read_today(self) -> date:
        """Return the day that completes the year of a future in what a viewer types."""
        return self._clock.now().date()

    def find(self, raw_path: str) -> tuple[PageFactory, dict[str, str]] | None:
        """Return the page at a percent-encoded path, and the parameters in it.

        The page with the fewest parameters wins. A slash at the end means nothing, unless there is
        a page whose last parameter is empty.
        """
        found = self._find(raw_path)
        if found is None and raw_path.endswith("/"):
            return self._find(raw_path.rstrip("/"))
        return found

    def _find(self, raw_path: str) -> tuple[PageFactory, dict[str, str]] | None:
        found = [
            (each, given) for each in self._factories if (given := each.match(raw_path)) is not None
        ]
        return min(found, key=lambda each: len(each[1])) if found else None

    def get(self, name: str) -> PageFactory | None:
        """Return the page whose stream has this name."""
        return next((each for each in self._factories if each.name == name), None)

    def load(self) -> bool:
        """Read the files and return whether that worked; if not, `mistake` says why."""
        assert self.path is not None
        self._generation += 1
        if self.files is not None:
            self.sheets = sorted(each.name for each in self.files.glob("[!.]*.css"))
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
        """Read the files again whenever they change, until cancelled; return if there are none."""
        if self._folder is None:
            return
        from watchfiles import PythonFilter, awatch

        is_page = PythonFilter(extra_extensions=(".html", ".css"))
        changes = awatch(self._folder, watch_filter=is_page, debounce=DEBOUNCE_MS, step=WATCH_MS)
        try:
            async for _ in changes:
                # In a thread: a page file may read other files, or compute for long.
                if await asyncio.to_thread(self.load):
                    for listener in self.listeners:
                        listener()
        except (OSError, RuntimeError):
            # The kernel has no watch left; the pages that were read are still served.
            logger.exception("%s is no longer watched; restart to see changes", self.path)

    def _prepare(self, factory: PageFactory) -> None:
        factory.generation = self._generation
        factory.common = self._common
        factory.clock = self._clock

    def _complete(self, factories: Sequence[PageFactory]) -> tuple[PageFactory, ...]:
        found = [*self._fixed, *factories]
        taken = {each.shape for each in found}
        built_in = ALWAYS if found or self.path else dict.fromkeys((*SITE, *ALWAYS))
        # Copies, because the common panels are this library's.
        copies = [
            PageFactory(each.path, each.title, each.function)
            for each in built_in
            if each.shape not in taken
        ]
        for copy in copies:
            copy.common = self._common
            copy.clock = self._clock
        return (*copies, *found)


def _folder_of(path: Path) -> Path:
    path = path.resolve()
    return path if path.is_dir() else path.parent
