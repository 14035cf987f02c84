"""A short part of what tests/fuzz/run.py does: no odd request may bring the server out of order."""

from __future__ import annotations

import pytest

from fuzz.run import fuzz


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12])
def test_every_odd_request_has_a_proper_answer(seed: int) -> None:
    run = fuzz(2500, seed)
    assert not run.findings, "\n".join(example for _, example in run.findings.values())
    # Requests that are all refused at the door would find nothing.
    assert run.codes[201] > 50
    assert run.codes[422] > 50
