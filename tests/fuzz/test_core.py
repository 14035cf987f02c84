"""A hundred thousand odd requests, most of them here; see run.py for doing it by hand.

They are sent to two servers, each in a process of its own, so that two cores share them.
ROOST_FUZZ_SEED takes other requests, ROOST_FUZZ_REQUESTS more or fewer of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.rules import is_right_fault
from fuzz.run import REQUESTS

_SEED = int(os.environ.get("ROOST_FUZZ_SEED", "1"))
_REQUESTS = int(os.environ.get("ROOST_FUZZ_REQUESTS", str(REQUESTS)))
_PROCESSES = 2
#: What the last third of a run may add to the memory in use, in megabytes. Measured: 7 (164, 176
#: and 183 in all), and 9 to 17 before the feed was bounded in bytes.
_GROWTH_MB = 12


@pytest.mark.slow
def test_every_odd_request_has_a_proper_answer() -> None:
    each = _REQUESTS // _PROCESSES
    script = Path(__file__).with_name("run.py")
    runs = [
        subprocess.Popen(
            [sys.executable, str(script), "--requests", str(each), "--seed", str(_SEED + number)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(_PROCESSES)
    ]  # fmt: skip
    for run in runs:
        said, findings = run.communicate()
        assert run.returncode == 0, findings
        found = json.loads(said)
        codes = {int(code): count for code, count in found["codes"].items()}
        assert sum(codes.values()) == found["requests"] == each
        # Requests that are all refused at the door would find nothing: many have to reach the store.
        assert codes[201] > each // 20
        assert codes[422] > each // 5
        assert found["stored"] > each // 20
        assert found["events"] > each // 50
        second, third = found["resident_mb"][1:3]
        assert third - second < _GROWTH_MB, found["resident_mb"]
        print(said)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (500, "Internal error occurred"),
        (500, "unknown patch type: x"),
        (503, "something"),
        (502, ""),
    ],
)
def test_no_other_fault_is_right(code: int, message: str) -> None:
    assert not is_right_fault(code, message)
