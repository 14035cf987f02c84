"""The same seed gives the same bytes, whatever the process; another seed another history."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCENARIO = Path(__file__).with_name("eventful.py")


def begin(seed: int, hashing: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONHASHSEED": hashing}
    return subprocess.Popen(
        [sys.executable, str(SCENARIO), str(seed)], env=environment, stdout=subprocess.PIPE
    )


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_in_every_process() -> None:
    running = [begin(7, "1"), begin(7, "4711"), begin(8, "1")]
    first, second, other = (process.communicate()[0] for process in running)
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(first) > 100_000
    if first != second:
        pairs = zip(first.splitlines(), second.splitlines(), strict=False)
        here = next((a, b) for a, b in pairs if a != b)
        pytest.fail(f"the histories part at {here}")
    assert other != first
