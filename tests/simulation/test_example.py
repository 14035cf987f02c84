"""The example of a simulated cluster keeps what its tests promise."""

from __future__ import annotations

import runpy
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/09-simulated-cluster/test_web.py"


def test_the_tests_of_the_example_pass() -> None:
    found = runpy.run_path(str(EXAMPLE))
    tests = [test for name, test in found.items() if name.startswith("test_")]
    assert len(tests) == 3
    for test in tests:
        test()
