"""The blocking-call detector sees gateway code, and only that."""

import sys
import time
from pathlib import Path

import pytest
from blockbuster import BlockBuster, BlockingError

import gateway
from tests.conftest import MAY_BLOCK


def run_as_gateway(source: str) -> None:
    """Runs `source` as if it stood in a file of the gateway, one that coverage can find."""
    exec(compile(source, gateway.__file__, "exec"), {})


@pytest.mark.fault(30)
async def test_blocking_gateway_code_is_caught_inside_a_loop() -> None:
    with pytest.raises(BlockingError, match=r"time\.sleep"):
        run_as_gateway("import time; time.sleep(0)")


@pytest.mark.fault(30)
async def test_file_access_is_caught_inside_a_loop(tmp_path: Path) -> None:
    with pytest.raises(BlockingError, match="os"):
        run_as_gateway(f"import os; os.stat({str(tmp_path)!r})")


def test_gateway_code_may_block_outside_a_loop() -> None:
    run_as_gateway("import time; time.sleep(0)")


async def test_a_test_itself_may_block() -> None:
    time.sleep(0)  # noqa: ASYNC251


def test_every_exception_is_about_a_file_and_a_function_that_exist(
    blocking_calls: BlockBuster,
) -> None:
    for function, filename, _ in MAY_BLOCK:
        assert any(Path(folder, filename).is_file() for folder in sys.path), filename
        # Which of the two lists a folder depends on the version of Python.
        assert function in blocking_calls.functions or function in {"os.listdir", "os.scandir"}
