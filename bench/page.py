"""What the live page costs a browser and the server: `python -m bench.page`.

The browser's share of the main thread is `TaskDuration` of the DevTools protocol's
`Performance.getMetrics` over wall time, in Chromium without a GPU. The server's CPU time is the
kernel's (`schedstat`), of the whole process, what publishes included. Shares of a machine that
does other things as well vary: rows of one run compare, rows of two runs do not.
"""

import argparse
import json
import multiprocessing
import select
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import msgspec
from playwright.sync_api import Browser, CDPSession, sync_playwright

from bench.page_server import METRICS, symbols_of
from bench.page_table import Result, print_table
from bench.process import family
from tests.browser.driving import CHROMIUM_OPTIONS, find_chromium

ROOT = Path(__file__).parents[1]

RATE = 4.0
WARM_S = 4.0
VIEWERS = 100
ROWS = 20
UNIVERSE = 480
"""Symbols over which the hundred different views are spread: twenty disjoint lists, and mixed."""

HELD = 200
"""Positions."""
QUOTE, POSITION = ".quotes tbody tr", "#positions tr:nth-child(3)"
"""A row whose changes are counted."""

READ_BYTES = 1 << 16

KINDS = ("page", "positions", "paint", "heap", "viewers", "references")
"""What can be measured."""

REFERENCES = ("streamlit", "nicegui")
REFERENCE_VIEWERS = 4
"""As many as one core bears of the dearest."""
REFERENCE_START_S = 30.0

PAINTED = """
() => Math.max(...performance.getEntriesByType("paint").map((each) => each.startTime))
"""
HAS_VALUES = "() => /[0-9]/.test(document.querySelector('.quotes tbody td').textContent)"
CHANGES = """
(selector) => new Promise((resolve) => {
  let count = 0;
  const seen = new MutationObserver(() => { count += 1; });
  const row = document.querySelector(selector);
  seen.observe(row, { childList: true, characterData: true, subtree: true });
  setTimeout(() => resolve(count), 2000);
})
"""


@contextmanager
def open_server(
    count: int, rate: float = RATE, root: Path = ROOT, held: int = 0
) -> Iterator[tuple[int, int]]:
    """The process and the port of a gateway with so many symbols."""
    command = [sys.executable, "-m", "bench.page_server", str(count), str(rate)]
    command += [str(held)] if held else []
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the server did not start")
        yield process.pid, json.loads(line)["port"]
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def on_cpu_s(pid: int) -> float:
    """How long all threads of a process and its children ran (proc(5), `schedstat`)."""
    total = 0
    for each in family(pid):
        for stat in Path(f"/proc/{each}/task").glob("*/schedstat"):
            total += int(stat.read_text().split()[0])
    return total / 1e9


def read_metrics(session: CDPSession) -> dict[str, float]:
    """Chromium's counters of the page: seconds and bytes."""
    found = session.send("Performance.getMetrics")["metrics"]
    return {each["name"]: each["value"] for each in found}


def measure_page(
    browser: Browser, url: str, pid: int, row: str, seconds: float, changing: str = QUOTE
) -> Result:
    """One page in one window, after it has settled."""
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Performance.enable")
        page.goto(url, wait_until="load")
        page.wait_for_timeout(WARM_S * 1000)
        begun, begun_s, cpu_s = read_metrics(session), time.monotonic(), on_cpu_s(pid)
        page.wait_for_timeout(seconds * 1000)
        revoked, took_s = read_metrics(session), time.monotonic() - begun_s
        cpu_s = on_cpu_s(pid) - cpu_s
        changes = page.evaluate(CHANGES, changing)

    def share(name: str) -> float:
        return 100 * (revoked[name] - begun[name]) / took_s

    return Result(
        row,
        main_thread_pct=share("TaskDuration"),
        main_cpu_pct=share("ThreadTime"),
        script_pct=share("ScriptDuration"),
        layout_pct=share("LayoutDuration") + share("RecalcStyleDuration"),
        server_ms=1000 * cpu_s / took_s,
        updates_per_s=changes / 2,
    )


def measure_paint(browser: Browser, url: str, row: str, times: int = 5) -> Result:
    """The first paint in a window without a cache; the page comes with its values in it."""
    found = []
    for _ in range(times):
        with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
            page = context.new_page()
            page.goto(url, wait_until="load")
            page.wait_for_timeout(300)
            assert page.evaluate(HAS_VALUES), "there are no values in the table"
            found.append(page.evaluate(PAINTED))
    return Result(row, paint_ms=statistics.median(found))


def measure_heap(browser: Browser, url: str, row: str, minutes: float) -> Result:
    """What the page's script holds after a collection, at the ends of five equal spans."""
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Performance.enable")
        page.goto(url, wait_until="load")
        page.wait_for_timeout(WARM_S * 1000)
        heap = [_heap_mb(session)]
        for _ in range(5):
            page.wait_for_timeout(minutes * 60_000 / 5)
            heap.append(_heap_mb(session))
    return Result(row, heap_mb=tuple(heap))


def _heap_mb(session: CDPSession) -> float:
    session.send("HeapProfiler.collectGarbage")
    return read_metrics(session)["JSHeapUsedSize"] / 1e6


def measure_viewers(port: int, pid: int, row: str, paths: Sequence[str], seconds: float) -> Result:
    """Streams that are read and not looked at, each over a socket of its own."""
    begun_s, cpu_s = time.monotonic(), on_cpu_s(pid)
    time.sleep(seconds / 2)
    idle = (on_cpu_s(pid) - cpu_s) / (time.monotonic() - begun_s)
    sockets: list[socket.socket] = []
    poll = select.epoll()
    by_descriptor = {}
    try:
        for path in paths:
            each = socket.create_connection(("127.0.0.1", port), 10)
            each.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            each.setblocking(False)
            poll.register(each, select.EPOLLIN)
            by_descriptor[each.fileno()] = each
            sockets.append(each)
            _read_for(poll, by_descriptor, 0.005)
        _read_for(poll, by_descriptor, WARM_S)
        begun_s, cpu_s = time.monotonic(), on_cpu_s(pid)
        received = _read_for(poll, by_descriptor, seconds)
        took_s, cpu_s = time.monotonic() - begun_s, on_cpu_s(pid) - cpu_s
    finally:
        for each in sockets:
            each.close()
        poll.close()
    return Result(
        row,
        server_ms=1000 * cpu_s / took_s / len(paths),
        viewers_ms=1000 * (cpu_s / took_s - idle) / len(paths),
        kb_per_s=received / took_s / 1000 / len(paths),
    )


def measure_sends(size: int, seconds: float) -> Result:
    """What the kernel alone takes to write so many bytes to each viewer, as often.

    The viewers wait in another process, as they do when the gateway is measured: waking them is a
    part of it.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=VIEWERS)
    readers = multiprocessing.get_context("spawn").Process(
        target=_read_to_the_end, args=(listener.getsockname(),), name="viewers"
    )
    listener.settimeout(10)
    readers.start()
    sockets = [listener.accept()[0] for _ in range(VIEWERS)]
    chunk, end_s, cpu_s = bytes(size), time.monotonic() + seconds, 0.0
    while time.monotonic() < end_s:
        begun_s = time.thread_time()
        for each in sockets:
            each.send(chunk)
        cpu_s += time.thread_time() - begun_s
        time.sleep(1 / RATE)
    for each in [*sockets, listener]:
        each.close()
    readers.join(10)
    row = f"floor: {RATE:g} bare send() a second to each of {VIEWERS}, {size} bytes"
    return Result(row, viewers_ms=1000 * cpu_s / seconds / VIEWERS)


@contextmanager
def open_reference(name: str) -> Iterator[tuple[int, int]]:
    """The process and the port of the same desk in another framework."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = f"bench/reference_{name}.py"
    command = [sys.executable, script, str(port)]
    if name == "streamlit":
        options = ("--server.headless=true", "--browser.gatherUsageStats=false")
        command = [sys.executable, "-m", "streamlit", "run", script, f"--server.port={port}"]
        command += ["--server.address=127.0.0.1", *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        end_s = time.monotonic() + REFERENCE_START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end_s:
                    raise RuntimeError(f"{name} did not start") from None
                time.sleep(0.2)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(10)


def measure_reference(browser: Browser, name: str, seconds: float) -> Result:
    """What some windows of the same desk cost a server in another framework."""
    with open_reference(name) as (pid, port), browser.new_context() as context:
        for _ in range(REFERENCE_VIEWERS):
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{port}", wait_until="load")
            page.get_by_text("S000").first.wait_for(timeout=REFERENCE_START_S * 1000)
        context.pages[0].wait_for_timeout(WARM_S * 1000)
        begun_s, cpu_s = time.monotonic(), on_cpu_s(pid)
        context.pages[0].wait_for_timeout(seconds * 1000)
        took_s, cpu_s = time.monotonic() - begun_s, on_cpu_s(pid) - cpu_s
        changes = context.pages[0].evaluate(CHANGES, "body")
    row = f"{name}: {REFERENCE_VIEWERS} viewers, {ROWS} rows and {METRICS} metrics"
    server_ms = 1000 * cpu_s / took_s / REFERENCE_VIEWERS
    return Result(row, server_ms=server_ms, updates_per_s=changes / 2)


def _read_to_the_end(address: tuple[str, int]) -> None:
    """Read all viewers' sockets until they are closed."""
    sockets = {}
    poll = select.epoll()
    for _ in range(VIEWERS):
        each = socket.create_connection(address)
        poll.register(each, select.EPOLLIN)
        sockets[each.fileno()] = each
    while sockets:
        for descriptor, _ in poll.poll():
            if not sockets[descriptor].recv(READ_BYTES):
                sockets.pop(descriptor).close()


def _read_for(poll: select.epoll, sockets: dict[int, socket.socket], seconds: float) -> int:
    """How many bytes came."""
    end_s, total = time.monotonic() + seconds, 0
    while (left_s := end_s - time.monotonic()) > 0:
        for descriptor, _ in poll.poll(left_s):
            chunk = sockets[descriptor].recv(READ_BYTES)
            if not chunk:
                raise RuntimeError("the server ended a stream")
            total += len(chunk)
    return total


def list_paths(view: str, is_same: bool, count: int = VIEWERS) -> list[str]:
    """The addresses of so many viewers' streams: of one view, or of as many views."""
    symbols = symbols_of(UNIVERSE)
    size = ROWS + METRICS
    paths = []
    for number in range(count):
        # Disjoint lists first; from then on every n-th symbol, so that no two lists are the same.
        turn, place = divmod(0 if is_same else number, UNIVERSE // size)
        chosen = [
            symbols[(place * size + index * (turn * size + 1)) % UNIVERSE] for index in range(size)
        ]
        paths.append(f"/live/{view}?symbols={','.join(dict.fromkeys(chosen))}")
    assert is_same or len(set(paths)) == count
    return paths


def run(browser: Browser, options: argparse.Namespace) -> Iterator[Result]:
    """Every row of the table, as it is measured."""
    seconds: float = options.seconds
    roots = [("", ROOT)] + ([("before: ", options.before)] if options.before else [])
    rows = set(options.rows)
    for count, target in ((100, "< 8 %"), (500, "< 30 %")):
        for name, root in roots:
            if "page" not in rows:
                break
            with open_server(count, root=root) as (pid, port):
                url = f"http://127.0.0.1:{port}"
                title = f"{count} rows × {RATE:g} Hz"
                found = measure_page(browser, f"{url}/", pid, f"{name}{title}", seconds)
                yield msgspec.structs.replace(found, target="" if name else target)
                if not name:
                    yield measure_page(
                        browser, f"{url}/floor", pid, f"floor: {title}, JSON and script", seconds
                    )
    if "positions" in rows:
        with open_server(1, held=HELD) as (pid, port):
            row, url = f"{HELD} positions × {RATE:g} Hz, and sums", f"http://127.0.0.1:{port}/held"
            found = measure_page(browser, url, pid, row, seconds, POSITION)
            yield msgspec.structs.replace(found, target="< 20 %")
    for count in (12, 100, 500):
        for name, root in roots:
            if "paint" not in rows:
                break
            with open_server(count, root=root) as (_, port):
                row = f"{name}first paint with values, {count} rows"
                found = measure_paint(browser, f"http://127.0.0.1:{port}/", row)
                yield msgspec.structs.replace(found, target="" if name else "< 300 ms")
    if "heap" in rows:
        with open_server(100) as (_, port):
            row = f"heap over {options.heap_minutes:g} min, 100 rows"
            found = measure_heap(browser, f"http://127.0.0.1:{port}/", row, options.heap_minutes)
            yield msgspec.structs.replace(found, target="flat")
    for is_same, target in ((True, "< 0.05 ms"), (False, "< 0.5 ms")):
        for name, root in roots:
            if "viewers" not in rows:
                break
            with open_server(ROWS + METRICS if is_same else UNIVERSE, root=root) as (pid, port):
                what = "one view" if is_same else f"{VIEWERS} different views"
                row = f"{name}{VIEWERS} viewers of {what}, {ROWS} rows and {METRICS} metrics"
                paths = list_paths("home" if name else "desk", is_same)
                found = measure_viewers(port, pid, row, paths, seconds)
                yield msgspec.structs.replace(found, target="" if name else target)
                if is_same and not name:
                    yield measure_sends(int((found.kb_per_s or 0) * 1000 / RATE), seconds)
    for name in REFERENCES if "references" in rows else ():
        if find_spec(name) is not None:
            yield measure_reference(browser, name, seconds)


def main() -> int:
    """The exit status; the table is on the standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--heap-minutes", type=float, default=1.0, help="of the heap's row")
    parser.add_argument("--rows", nargs="+", default=list(KINDS))
    parser.add_argument("--before", type=Path, help="another checkout, measured in the same run")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each row")
    options = parser.parse_args()
    path = find_chromium()
    if path is None:
        print("chromium is not installed", file=sys.stderr)
        return 1
    found: list[Result] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_OPTIONS))
        for result in run(browser, options):
            found.append(result)
            if options.json:
                print(msgspec.json.encode(result).decode(), flush=True)
            else:
                print(f"measured: {result.row}", file=sys.stderr, flush=True)
        browser.close()
    if not options.json:
        print_table(found)
    for name in REFERENCES if "references" in options.rows else ():
        if find_spec(name) is None:
            print(f"{name} is not installed here: left out", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
