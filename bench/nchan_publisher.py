"""Publishes to nchan over one kept-alive connection, requests pipelined, answers thrown away.

Started as `python -m bench.nchan_publisher SYMBOLS PORT CHANNELS`; CHANNELS is how many channels
there are: 1 for one that carries everything, otherwise one for each symbol. A process of its own,
so that neither the load client nor nchan waits for it.
"""

import os
import select
import socket
import sys
import time
from contextlib import suppress

import msgspec

from bench.publish import PAUSE_S, Order, Report, due, read_symbols, tell
from bench.records import Tape
from gateway.streams.records import encode


def request(tape: Tape, seq: int, at_ns: int, is_by_symbol: bool) -> bytes:
    """The publication of one record, the same JSON as the gateway's."""
    body = encode(tape.quote(seq, at_ns))
    channel = tape.symbol(seq) if is_by_symbol else "all"
    return (
        b"POST /pub/%b HTTP/1.1\r\nHost: localhost\r\nX-EventSource-Event: quote_update\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (channel.encode(), len(body), body)
    )


def follow(order: Order, tape: Tape, connection: socket.socket, is_by_symbol: bool) -> None:
    """Send what the order asks for; what nchan does not take at once waits here, stamped."""
    begun_ns = time.monotonic_ns()
    done = 0
    waiting = bytearray()
    while done < order.count or waiting:
        for seq, at_ns in due(order, begun_ns, done, time.monotonic_ns()):
            waiting += request(tape, seq, at_ns, is_by_symbol)
            done += 1
        if waiting:
            with suppress(BlockingIOError):
                del waiting[: connection.send(bytes(waiting[: 1 << 18]))]
        drain(connection)
        next_s = done / order.rate - (time.monotonic_ns() - begun_ns) / 1e9
        if waiting:
            select.select([connection], [connection], [], PAUSE_S)
        elif done < order.count:
            time.sleep(max(PAUSE_S, next_s))
    tell(Report(order.first + done - 1, (time.monotonic_ns() - begun_ns) / 1e9))


def drain(connection: socket.socket) -> None:
    """Throw away the answers that are there."""
    try:
        while data := connection.recv(1 << 18):
            if b"HTTP/1.1 4" in data or b"HTTP/1.1 5" in data:
                sys.exit(f"nchan refused a message: {data[:300]!r}")
        sys.exit("nchan closed the publisher's connection")
    except BlockingIOError:
        pass


def main() -> None:
    """Publish what the standard input orders, until it ends."""
    tape = read_symbols(sys.argv)
    connection = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setblocking(False)
    tell({"pid": os.getpid()})
    for line in sys.stdin.buffer:
        order = msgspec.json.decode(line, type=Order)
        follow(order, tape, connection, is_by_symbol=sys.argv[3] != "1")


if __name__ == "__main__":
    main()
