"""A real Firefox, driven by WebDriver BiDi over its own socket."""

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.waiting import eventually_sync, scaled

NAMES = ("firefox-esr", "firefox")
LISTENS = "WebDriver BiDi listening on "


def find_firefox() -> str | None:
    """Where it is; None when it is not installed."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Firefox:
    """A browser and its windows, each named by its context."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self.ask("session.new", capabilities={})

    def ask(self, method: str, **params: Any) -> Any:
        """The result of a command.

        Raises: AssertionError, with what the browser says, when it fails.
        """
        identity = next(self._ids)
        self._socket.send(json.dumps({"id": identity, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(timeout=scaled(20)))
            if answer.get("id") == identity:
                assert answer["type"] == "success", answer
                return answer["result"]

    def open_window(self, url: str) -> str:
        """A window of its own that shows this page."""
        context: str = self.ask("browsingContext.create", type="window")["context"]
        self.ask("browsingContext.navigate", context=context, url=url, wait="interactive")
        return context

    def evaluate(self, context: str, expression: str) -> Any:
        """The value of an expression that is a text, number or truth value."""
        found = self.ask(
            "script.evaluate",
            expression=expression,
            target={"context": context},
            awaitPromise=False,
        )
        assert found["type"] == "success", found
        return found["result"].get("value")


@contextmanager
def open_firefox(path: str, folder: Path) -> Iterator[Firefox]:
    """A headless Firefox with a profile of its own, ended on leaving."""
    profile, log = folder / "profile", folder / "firefox.log"
    profile.mkdir()
    own = ("--profile", str(profile))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                path,
                "--headless",
                "--no-remote",
                "--remote-debugging-port=0",
                *own,
            ],
            stdout=output,
            stderr=output,
            env={**os.environ, "HOME": str(folder)},
        )
    try:

        def find_address() -> str | None:
            lines = log.read_text(errors="replace").splitlines()
            return next((each.split(LISTENS)[1] for each in lines if LISTENS in each), None)

        address = eventually_sync(find_address, 30)
        with connect(f"{address}/session", max_size=None, proxy=None) as socket:
            yield Firefox(socket)
    finally:
        process.terminate()
        try:
            process.wait(scaled(10))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
