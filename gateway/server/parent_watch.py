"""Ending with the process that started this one, however that one ends."""

import os
import signal
import threading


def exit_with_parent() -> None:
    """Send ourselves SIGTERM when standard input ends: then whoever held its other end is gone."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
