"""The open streams of those who were let in, and their end when the access is over; pure."""

from collections import Counter
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Registrations(Generic[T]):
    """Open streams by what let them in, each with the function that ends it.

    `find_reason` says why an access is over, None while it is not; `find_name` whose it is. A
    stream is ended at most once.
    """

    def __init__(
        self, *, find_reason: Callable[[T], str | None], find_name: Callable[[T], str]
    ) -> None:
        self._find_reason = find_reason
        self._find_name = find_name
        self._registered: dict[object, tuple[T, Callable[[str], None]]] = {}
        self._counts: Counter[str] = Counter()

    def register(self, access: T, end: Callable[[str], None]) -> Callable[[], None]:
        """Register a stream, and return what it calls when it is over.

        It is ended at once when its access is over already.
        """
        if (reason := self._find_reason(access)) is not None:
            end(reason)
            return _release_nothing
        ticket, name = object(), self._find_name(access)
        self._registered[ticket] = access, end
        self._counts[name] += 1

        def release() -> None:
            self._registered.pop(ticket, None)
            self._counts[name] -= 1
            if self._counts[name] == 0:
                del self._counts[name]

        return release

    def count(self, name: str) -> int:
        """Return how many streams somebody has open."""
        return self._counts[name]

    def sweep(self) -> None:
        """End every stream whose access is over."""
        for ticket, (access, end) in list(self._registered.items()):
            reason = self._find_reason(access)
            if reason is not None and self._registered.pop(ticket, None) is not None:
                end(reason)


def _release_nothing() -> None:
    """Stand in for the release of a stream that was ended at once."""
