"""A hundred thousand odd requests, most of them here, in process; see run.py for doing it by hand.

ROOST_FUZZ_SEED takes other requests, ROOST_FUZZ_REQUESTS more or fewer of them.
"""

from __future__ import annotations

import os

import pytest

from fuzz.rules import is_right_fault
from fuzz.run import REQUESTS, fuzz

_SEED = int(os.environ.get("ROOST_FUZZ_SEED", "1"))
_REQUESTS = int(os.environ.get("ROOST_FUZZ_REQUESTS", str(REQUESTS)))
#: What the last third may add to the memory in use, in bytes: caches fill until they are full.
_GROWTH_BYTES = 24 << 20


@pytest.mark.slow
def test_every_odd_request_has_a_proper_answer() -> None:
    run = fuzz(_REQUESTS, _SEED)
    assert not run.findings, "\n\n".join(
        f"{count} x {example}" for count, example in run.findings.values()
    )
    assert run.requests == _REQUESTS
    # Requests that are all refused at the door would find nothing: many have to reach the store.
    assert run.codes[201] > _REQUESTS // 20
    assert run.codes[422] > _REQUESTS // 5
    assert run.stored > _REQUESTS // 20
    assert run.events > _REQUESTS // 50
    second, third = run.thirds_bytes[1:3]
    assert third - second < _GROWTH_BYTES, run.thirds_bytes


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
