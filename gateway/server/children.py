"""Processes of ours: started apart from the working directory, their output passed on.

A file or folder named `gateway` in the working directory takes nobody's place, and a child never
waits for somebody to read what it prints.
"""

import os
import queue
import sys
import threading
from pathlib import Path
from typing import IO

import gateway
from gateway.redaction import OUTPUT

MAX_WAITING = 1000
"""Pieces of output that wait for whoever reads ours; what comes above it is dropped."""

MAX_PIECE_BYTES = 65_536
"""A longer line is passed on in pieces."""

# -P leaves the working directory out of the path; the package's own folder comes first while it
# is found, for an environment that names the directory in PYTHONPATH.
_BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); import gateway; del sys.path[0]; "
    "import runpy; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


def command_for(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs a module of this package, wherever it is run."""
    root = str(Path(gateway.__file__).resolve().parent.parent)
    return [sys.executable, "-P", "-c", _BOOTSTRAP, root, module, *arguments]


class Relay:
    """Passes the output of children on to our own, line by line, without secrets.

    Promises: the pipe of a child is read to its end, at once, even when nobody reads ours; then
    lines are dropped. Lines of one child keep their order. Nothing is kept across a restart.
    """

    def __init__(self, descriptor: int = 1) -> None:
        # Not a stream of Python's: at the end the interpreter waits for one that is being written.
        self._descriptor = descriptor
        self._waiting: queue.Queue[str] = queue.Queue(MAX_WAITING)
        self.dropped = 0
        threading.Thread(target=self._write, name="output of children", daemon=True).start()

    def follow(self, pipe: IO[bytes]) -> None:
        """Read a child's pipe from now on, in a thread that ends with the pipe."""
        threading.Thread(target=self._read, args=(pipe,), name="pipe", daemon=True).start()

    def drain(self, timeout_s: float) -> None:
        """Return when all that has come is written, or after so long."""
        end = threading.Thread(target=self._waiting.join, daemon=True)
        end.start()
        end.join(timeout_s)

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe:
            while line := pipe.readline(MAX_PIECE_BYTES):
                try:
                    self._waiting.put_nowait(line.decode(errors="replace"))
                except queue.Full:
                    self.dropped += 1

    def _write(self) -> None:
        while True:
            text = self._waiting.get()
            rest = OUTPUT.redact(text).encode()
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            except OSError:  # nobody reads ours any more
                self.dropped += 1
            finally:
                self._waiting.task_done()
