"""The same code in Pyodide, the Python of web pages: the pure layers, the server's core, the engine and
the simulation, which tells the same history there, byte for byte.

It runs under Node.js, without a browser. Left out is what needs what no page has, and why.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from pyodide_world import HERE, MISSING, ROOT, World, made

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(MISSING) and not os.environ.get("CI"), reason=f"needs {' and '.join(MISSING)}"
    ),
]

PURE: Final = ("api", "decisions", "controllers", "scheduler")
CORE: Final = ("apiserver", "engine", "simulation")
#: What of these folders does not run in a page: its path -> what it needs.
LEFT_OUT: Final = {
    "api/regex/test_patterns.py": "RE2",
    "api/schema/test_syntax.py": "hypothesis, which is compiled",
    "controllers/test_endpoints.py": "hypothesis",
    "controllers/test_job.py": "hypothesis",
    "apiserver/operations/test_fairness.py": "hypothesis",
    "apiserver/http": "sockets",
    "apiserver/operations/test_elsewhere.py": "sockets",
    "apiserver/identity": "cryptography",
    "apiserver/admission/test_rest.py": "cryptography",
    "apiserver/operations/test_outside.py": "cryptography",
    "engine/test_certificates_over_apiserver.py": "cryptography",
    "apiserver/operations/test_auditing.py": "a thread that writes the file",
}
OPTIONS: Final = ("-p", "no:cacheprovider", "-q", "--tb=short", "--import-mode=importlib",
                  "--rootdir=/tests", "-o", "markers=slow\nroot\nkubectl")  # fmt: skip
#: A page's stack ends, and Python with it, before msgspec or Python refuse a value nested too deep.
SHALLOW: Final = "not deep and not depth and not nest"
#: What is known to be otherwise there: part of a test's name -> why.
OTHERWISE: Final = {
    "test_broken_yaml_is_unrecognised": "libyaml's words",
    "test_what_is_not_yaml_is_refused": "libyaml's words",
    "test_a_time_that_the_clock_skips": "time zones: tzdata is not in the page",
    "test_bad_times_are_told_in_the_words_of_go": "Python 3.14 reads the hour 24",
    "test_nothing_is_linked_before_somebody_looks": "it starts a process",
    "test_hearts_are_plain_sleeps_on_a_plain_loop": "asyncio.run has the virtual loop there",
}


@pytest.fixture(scope="module")
def world() -> World:
    return made()


@pytest.mark.parametrize("layers", [PURE, CORE], ids=["pure", "core"])
def test_the_tests_of_the_layers_pass(world: World, layers: tuple[str, ...]):
    left_out = [f"--ignore=/tests/unit/{path}" for path in LEFT_OUT]
    folders = [f"/tests/unit/{layer}" for layer in layers]
    code, told, complaints = world.run(
        "/tests/browser/inside.py",
        *OPTIONS,
        "-k",
        " and not ".join((SHALLOW, *OTHERWISE)),
        *left_out,
        *folders,
    )
    assert code == 0, told.decode()[-4000:] + complaints[-2000:]


def test_a_page_needs_nothing_that_no_page_has(world: World):
    code, told, complaints = world.run("/tests/browser/imports.py")
    assert code == 0, complaints
    assert json.loads(told)["absent"] == []


def test_one_seed_tells_one_history_in_all_worlds(world: World):
    scenario = ROOT / "tests" / "simulation" / "eventful.py"

    def native(seed: str) -> bytes:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        return subprocess.run(
            [sys.executable, str(scenario), "7"], env=environment, capture_output=True, check=True
        ).stdout

    with ThreadPoolExecutor() as pool:
        natives = [pool.submit(native, seed) for seed in ("1", "4711")]
        code, history, complaints = world.run("/tests/simulation/eventful.py", "7", seed="3")
    assert code == 0, complaints[-2000:]
    assert len(history) > 100_000
    for other in natives:
        _same(history, other.result())


def _same(one: bytes, other: bytes) -> None:
    if one != other:
        pairs = zip(one.splitlines(), other.splitlines(), strict=False)
        here = next(((a, b) for a, b in pairs if a != b), "the length")
        pytest.fail(f"the histories part at {here}")


def test_everything_left_out_exists():
    assert [path for path in LEFT_OUT if not (ROOT / "tests" / "unit" / path).exists()] == []


def test_the_lock_names_no_host():
    packages = json.loads((HERE / "package-lock.json").read_text())["packages"]
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert all(package.get("integrity") for name, package in packages.items() if name)
