"""What a panel listens to for one grant: its topics, and those that its patterns stand for now."""

from collections.abc import Iterator

from gateway.pages.panel import Panel
from gateway.streams.hub.hub import Hub
from gateway.streams.topics import Grant, Topic, covers


class PanelTopics:
    """The topics behind a panel's keys, in their order; a topic that is not granted is None.

    A shared panel is granted what is nobody's, whoever looks.
    """

    def __init__(self, panel: Panel, hub: Hub, grant: Grant) -> None:
        self._keys = panel.keys()
        self._hub = hub
        self._grant: Grant = grant if panel.is_private else frozenset()
        self.has_patterns = not all(isinstance(key, Topic) for key in self._keys)
        """Whether they may be others at another time."""
        self._version = hub.owned_version
        self._topics = tuple(self._resolve())

    def read(self) -> tuple[Topic | None, ...]:
        """Return them as they are now; the same object while nothing came or went."""
        if self.has_patterns and self._version != self._hub.owned_version:
            self._version = self._hub.owned_version
            topics = tuple(self._resolve())
            if topics != self._topics:
                self._topics = topics
        return self._topics

    def _resolve(self) -> Iterator[Topic | None]:
        for key in self._keys:
            if isinstance(key, Topic):
                yield key if covers(self._grant, key.owner) else None
            else:
                yield from self._hub.find_topics(key, self._grant)
