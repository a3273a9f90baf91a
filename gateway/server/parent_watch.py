"""Ending with the process that started this one, however that one ends."""

import os
import signal
import threading


def end_with_stdin() -> None:
    """Send ourselves SIGTERM when standard input ends: then who held its other end is gone."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="stdin", daemon=True).start()
