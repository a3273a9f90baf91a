"""Forged and stale ids over a real socket: the whole state or the exact rest, never a part."""

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.streams.records import encode
from gateway.streams.topics import Topic, market_topic
from tests.faults.trial import Trial
from tests.sse import parse
from tests.streams.samples import topic_of
from tests.waiting import scaled
from tests.web.running import Running, make_balance, make_quote, make_status, open_gateway

State = dict[Topic, dict[str, Any]]
"""What a client holds: the newest record by type and subject, statuses left out."""

PUBLISHED = 40
FORGOTTEN_AT = 12
"""Behind this id a symbol was forgotten, so no id before it proves anything."""


@dataclass(slots=True)
class Past:
    """A gateway, and what a client held that had seen everything up to an id."""

    gateway: Running
    states: dict[int, State]

    @property
    def epoch(self) -> str:
        return self.gateway.context.hub.epoch

    @property
    def now(self) -> State:
        return self.states[max(self.states)]


@pytest.fixture(scope="module")
def past() -> Iterator[Past]:
    with open_gateway() as gateway:
        state: State = {}
        past = Past(gateway, {})
        gateway.publish(make_status())
        for number in range(2, PUBLISHED + 1):
            record = (
                make_balance("5WX00001", f"{number}.00")
                if number % 7 == 0
                else make_quote("OLD" if number == 5 else f"S{number % 6}", f"{number}.00")
            )
            gateway.publish(record)
            if number == FORGOTTEN_AT:
                gateway.call(lambda: gateway.context.hub.forget(["OLD"]))
                del state[market_topic("quote_update", "OLD")]
            state = state | {record.topic: json.loads(encode(record))}
            past.states[number] = state
        yield past


def ask(port: int, *, header: bytes | None = None, parameter: bytes | None = None) -> bytes:
    """The whole answer to a request for a snapshot with this id, byte for byte as given."""
    query = b"" if parameter is None else b"&last_event_id=" + quote_from_bytes(parameter).encode()
    lines = [
        b"GET /events?snapshot=only&types=quote_update,balance_update" + query + b" HTTP/1.1",
        b"Host: localhost",
        b"Connection: close",
        *([] if header is None else [b"Last-Event-ID: " + header]),
        b"",
        b"",
    ]
    answer = b""
    with socket.create_connection(("127.0.0.1", port), scaled(5)) as connection:
        connection.sendall(b"\r\n".join(lines))
        while piece := connection.recv(65_536):
            answer += piece
    return answer


def dechunk(chunks: bytes) -> bytes:
    """The body out of its transfer coding (RFC 9112, section 7.1), which must be whole."""
    body = b""
    while True:
        size, _, chunks = chunks.partition(b"\r\n")
        length = int(size, 16)
        body += chunks[:length]
        assert chunks[length : length + 2] == b"\r\n"
        chunks = chunks[length + 2 :]
        if length == 0:
            assert not chunks
            return body


def check(past: Past, given: bytes, answer: bytes, *, is_header: bool) -> str:
    """How it was answered: `refused`, `snapshot` or `resume`; whatever it was, it was right."""
    head, _, chunks = answer.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    if 400 <= status < 500:
        # Where a line end made other headers of it, these may be what is refused.
        assert is_header, "only what cannot be in a header is refused"
        assert re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", given), given
        return "refused"
    assert status == 200
    hello, *events = parse(dechunk(chunks))
    mode: str = json.loads(hello.data)["mode"]
    end = json.loads(events.pop().data)
    # A line end inside a header ends it there; what is left of it is the id.
    line = re.split(rb"[\r\n]", given)[0].lstrip(b" \t") if is_header else given
    found = re.fullmatch(rf"{past.epoch}-([0-9]{{1,20}})".encode(), line)
    seq = int(found[1]) if found else -1
    held: State = {}
    if mode == "resume":
        assert FORGOTTEN_AT < seq <= PUBLISHED, given
        held = dict(past.states[seq])
        told = [int(each.id.rpartition("-")[2]) for each in events if each.id]
        assert all(each > seq for each in told), "told again"
        assert told == sorted(set(told))
    else:
        assert mode == "snapshot"
        assert not FORGOTTEN_AT < seq <= PUBLISHED, "this one could have been resumed"
    data = [json.loads(each.data) for each in events if each.id]
    held |= {topic_of(each["type"], each.get("symbol") or each["account"]): each for each in data}
    assert held == past.now, (mode, given)
    assert end == {"type": "snapshot_end", "count": len(data), "mode": mode}
    return mode


IDS = st.integers(-2, PUBLISHED + 3).map(lambda seq: b"EPOCH-%d" % seq)
FORGED = st.one_of(
    IDS,
    st.binary(max_size=100),
    st.text(max_size=60).map(lambda each: each.encode("utf-8", "surrogatepass")),
    st.integers(0, 10**22).map(lambda seq: b"EPOCH-%d" % seq),
    st.integers(0, PUBLISHED).map(lambda seq: b"other-%d" % seq),
    st.tuples(IDS, st.integers(0, 9), st.binary(min_size=1, max_size=3)).map(
        lambda each: each[0][: each[1]] + each[2] + each[0][each[1] :]
    ),
    st.sampled_from(
        [
            *(b"x" * 10_240, b"EPOCH-" + b"0" * 10_240, b"EPOCH-" + b"9" * 10_240),
            *(b"EPOCH-20\0", b"EPOCH-20\r", b"EPOCH-20\n", b"EPOCH-20\r\nHost: evil.example"),
            *(b"EPOCH-20\r\nLast-Event-ID: EPOCH-1", b"\0", b"EPOCH", b"EPOCH-", b"EPOCH--1"),
            *("EPOCH-٣".encode(), b"EPOCH-+20", b"EPOCH-2_0", b"EPOCH-0x14", b" EPOCH-20 "),
        ]
    ),
)


@pytest.mark.fault(10)
@pytest.mark.timeout(scaled(180))
def test_a_forged_id_is_answered_with_all_or_with_the_exact_rest(past: Past, trial: Trial) -> None:
    answers: list[str] = []
    runs = trial.count(100, 1000)

    @settings(max_examples=runs, suppress_health_check=[HealthCheck.too_slow])
    @given(FORGED, st.booleans())
    def try_one(forged: bytes, is_header: bool) -> None:
        forged = forged.replace(b"EPOCH", past.epoch.encode())
        port = past.gateway.port
        answer = ask(port, header=forged) if is_header else ask(port, parameter=forged)
        answers.append(check(past, forged, answer, is_header=is_header))

    try_one()
    counts = {each: answers.count(each) for each in ("snapshot", "resume", "refused")}
    assert counts["snapshot"] > counts["resume"] > 0
    told = ", ".join(f"{count:,} {word}" for word, count in counts.items())
    trial.tell(f"{len(answers):,} ids, garbage to 10 KiB with NUL and CR: {told}; none in part")


@pytest.mark.fault(10)
def test_every_id_that_there_was_resumes_exactly(past: Past) -> None:
    for seq in range(PUBLISHED + 1):
        value = f"{past.epoch}-{seq}".encode()
        mode = check(past, value, ask(past.gateway.port, header=value), is_header=True)
        assert mode == ("resume" if seq > FORGOTTEN_AT else "snapshot")
