"""What a stream leaves behind: nothing of ours that only a full collection would find."""

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.web.running import Reader, make_quote, make_status, open_gateway

STREAMS = 10


@contextmanager
def uncollected() -> Iterator[Counter[str]]:
    """The types of all rings that were left meanwhile."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found.update(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize("path", ["/events?symbols=SPY", "/events?symbols=SPY&snapshot=false"])
def test_a_stream_that_is_over_leaves_no_ring(path: str) -> None:
    with open_gateway() as gateway:
        gateway.publish(make_status("live"), make_quote())

        def watch() -> None:
            with Reader(gateway.port, path) as reader:
                reader.read_until("hello")
                gateway.wait_for_streams(1)
                gateway.publish(make_quote(last="451.00"))
                reader.read_until("quote_update")
            gateway.wait_for_streams(0)

        watch()  # what is made once is made
        with uncollected() as left:
            for _ in range(STREAMS):
                watch()
            # Until the last one's tasks are over.
            gateway.call(lambda: None)
    ours = {name for name in left if name.startswith(("gateway.", "uvicorn.", "starlette."))}
    assert not {name for name in ours if left[name] >= STREAMS}, left
