"""Whether another process of this machine follows the same login at the broker.

Two that do have two sessions, two feeds and two streams of ids between which a viewer is thrown to
and fro. A server with several processes needs REDIS_URL, and a `gateway feed` in front.
"""

import hashlib
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.settings import BrokerSettings


@contextmanager
def hold_login(settings: BrokerSettings) -> Iterator[bool]:
    """Hold the login for the block; yield False when another process of this user holds it.

    The lock is a name in the kernel (unix(7), abstract sockets), which is gone with the process.
    Where there are none, on other systems than Linux, nothing is found out.
    """
    if sys.platform != "linux" or settings.refresh is None:
        yield True
        return
    parts = [settings.refresh.get_secret_value(), settings.simulator_rest or "", os.geteuid()]
    name = hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as lock:
        try:
            lock.bind(f"\0tastytrade-gateway-{name}")
        except OSError:
            yield False
        else:
            yield True
