"""The keys of the backplane, and the scripts in `lua/` that change them.

Each script is one step that must not be torn: the server runs it alone. In it each key has its
name below in capitals, and each limit its own; a comment at its top names the arguments.
"""

from importlib.resources import files
from typing import Final

FORMAT: Final = 2
"""The version of what is written here. Releases before the first marked one wrote 1."""

MAX_ENTRIES = 32_768
"""Length of the stream, about: seconds of a busy market, 12 MB; the newest records are apart."""

MAX_STREAM_BYTES = 64 * 1024 * 1024
"""Of the records in it: a history of candles has a hundred times the size of a quote, and with
charts alone the stream would grow to a gigabyte."""

MAX_EPOCHS = 64
"""Publishers whose ids can still be resumed from."""

MAX_FAILING = 10_000
"""Clients whose wrong tokens are counted; the oldest give way."""

# Those of the stream carry the format, so that processes of two releases never read each other's
# records; who publishes in another format is still visible, in `format` and `OLD_LEASE`.
# The braces keep all keys on one node of a cluster.
_STREAM_NAMES: Final = (
    "lease",  # who may publish
    "position",  # of the newest entry: epoch and offset
    "events",  # the stream
    "newest",  # topic -> position and record
    "recoverable",  # positions before this one cannot be resumed from
    "epochs",  # those whose positions can
    "standby",  # a feed that could take over
    "invited",  # the one that the holder lets take over
    "demand",  # web process -> until when, and what it wants
    "changes",  # counts the changes of what is wanted
    "report",  # what the feed process says of itself
    "complete",  # the epoch in which everything known has been published again
    "fenced",  # counts the entries refused because their publisher had lost the lease
)
_COMMON_NAMES: Final = (
    "format",  # of whoever publishes; as long as its lease
    "failures",  # client, hidden -> when each of its wrong tokens is forgotten
    "failing",  # the same clients by when all of them are
    "ended",  # a stream of logins that were signed out
)
_NAMES: Final = (*_STREAM_NAMES, *_COMMON_NAMES)
KEYS: Final = (
    *(f"{{gateway}}:{FORMAT}:{name}" for name in _STREAM_NAMES),
    *(f"{{gateway}}:{name}" for name in _COMMON_NAMES),
)
"""The keys of every script, in the order of their names."""

_KEY: Final = dict(zip(_NAMES, KEYS, strict=True))
LEASE, POSITION, EVENTS, NEWEST = (_KEY[each] for each in _STREAM_NAMES[:4])
RECOVERABLE, EPOCHS, DEMAND = _KEY["recoverable"], _KEY["epochs"], _KEY["demand"]
REPORT, COMPLETE, FENCED = _KEY["report"], _KEY["complete"], _KEY["fenced"]
FORMAT_KEY, ENDED = _KEY["format"], _KEY["ended"]

QUESTIONS: Final = f"{{gateway}}:{FORMAT}:questions"
"""What web processes ask of whoever is upstream; no script touches it, nor the answers."""
ANSWERS: Final = f"{{gateway}}:{FORMAT}:answer:"

OLD_LEASE: Final = "{gateway}:lease"
"""The lease of a release that wrote format 1."""

_LIMITS: Final = {
    "MAX_EPOCHS": MAX_EPOCHS,
    "MAX_ENTRIES": MAX_ENTRIES,
    "MAX_FAILING": MAX_FAILING,
}


def _load(*names: str) -> str:
    """Return a script made of these files, behind the names of keys and limits."""
    folder = files(__package__) / "lua"
    limits = "".join(f"local {name} = {value}\n" for name, value in _LIMITS.items())
    keys = f"local {', '.join(_NAMES).upper()} = unpack(KEYS)\n"
    return keys + limits + "".join((folder / f"{name}.lua").read_text() for name in names)


ACQUIRE: Final = _load("acquire")
PUBLISH: Final = _load("publish")
INVITE: Final = _load("invite")
RELEASE: Final = _load("release")
WRITE_DEMAND: Final = _load("clock", "write_demand")
READ_DEMAND: Final = _load("clock", "read_demand")
COUNT_FAILURE: Final = _load("clock", "count_failure")
SCRIPTS: Final = (ACQUIRE, PUBLISH, INVITE, RELEASE, WRITE_DEMAND, READ_DEMAND, COUNT_FAILURE)
