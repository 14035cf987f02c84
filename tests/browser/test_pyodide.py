"""The same code in Pyodide, the Python of web pages: the pure layers, the server's core, the engine and
the simulation, which tells the same history there, byte for byte.

It runs under Node.js, without a browser; test_page.py is for what only a browser shows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import pytest

from pyodide_world import HERE, MISSING, ROOT, World, made

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(MISSING) and not os.environ.get("CI"), reason=f"needs {' and '.join(MISSING)}"
    ),
]

#: Which tests run there, and how many of them at least: rules in inside.py leave some out.
SUITES: Final = {
    "parity": (250, ("parity",)),
    "simulation": (130, ("simulation",)),
    "pure": (1400, ("unit/api", "unit/decisions", "unit/controllers", "unit/scheduler")),
    "core": (850, ("unit/apiserver", "unit/engine", "unit/simulation", "unit/node", "unit/client",
                    "unit/network")),
}  # fmt: skip
#: What the rules do not see: a path -> what it needs.
LEFT_OUT: Final = {
    "unit/apiserver/http": "sockets",
    "unit/apiserver/identity": "cryptography, in its conftest",
    "unit/apiserver/operations/test_auditing.py": "a thread that writes the file",
    "simulation/test_pytest_plugin.py": "a thread that serves the cluster",
}
OPTIONS: Final = (
    "-p", "no:cacheprovider", "-q", "--tb=short", "--import-mode=importlib", "--rootdir=/tests",
    "-o", "markers=slow\nroot\nkubectl\npatience", "-m", "not root and not kubectl",
    *(f"--ignore=/tests/{path}" for path in LEFT_OUT),
)  # fmt: skip
#: What is known to be otherwise there: part of a test's name -> why.
OTHERWISE: Final = {
    "test_broken_yaml_is_unrecognised": "libyaml's words",
    "test_what_is_not_yaml_is_refused": "libyaml's words",
    "test_bad_times_are_told_in_the_words_of_go": "Python 3.14 reads the hour 24",
    "(test_what_was_signed and malformed)": "cryptography: only the form of certificates is looked at",
    "test_what_is_no_request": "cryptography, as well",
    "test_opening_below_gives_the_very_file": "/proc",
    "test_nothing_is_linked_before_somebody_looks": "it starts a process",
    "test_a_process_whose_file_cannot_be_written": "it starts a process",
    "test_hearts_are_plain_sleeps_on_a_plain_loop": "asyncio.run has the virtual loop there",
}
Outcome = tuple[int, bytes, str]


@pytest.fixture(scope="module")
def world() -> World:
    return made()


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, world: World
) -> Iterator[dict[str, Future[Outcome]]]:  # fmt: skip
    """What becomes of the suites that are asked for; as many run at once as there are processors."""
    asked = [
        item.callspec.params["suite"] for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == SUITE_TEST
    ]  # fmt: skip
    with ThreadPoolExecutor(min(len(SUITES), os.cpu_count() or 1)) as pool:
        yield {
            suite: pool.submit(
                world.run,
                "/tests/browser/inside.py",
                *OPTIONS,
                "-k",
                f"not {' and not '.join(OTHERWISE)}",
                *(f"/tests/{folder}" for folder in SUITES[suite][1]),
                timeout_s=900,
            )
            for suite in asked
        }


@pytest.mark.parametrize("suite", SUITES)
def test_the_suites_pass(outcomes: dict[str, Future[Outcome]], suite: str):
    code, told, complaints = outcomes[suite].result()
    assert code == 0, told.decode()[-4000:] + complaints[-2000:]
    assert json.loads(told.splitlines()[-1])["passed"] >= SUITES[suite][0], told.decode()[-500:]


SUITE_TEST: Final = test_the_suites_pass.__name__


def test_a_page_needs_nothing_that_no_page_has(world: World):
    code, told, complaints = world.run("/tests/browser/imports.py")
    assert code == 0, complaints
    assert json.loads(told)["absent"] == []


def test_a_cluster_lives_beside_the_loop_of_a_page(world: World):
    code, told, complaints = world.run("/tests/browser/beside.py", awaits=True)
    assert code == 0, complaints[-2000:]
    found = json.loads(told)
    assert found["ready"] == 3
    assert found["now"] >= 20
    assert found["cancelled"]
    # Both timers of the page and tasks of its loop had their turns while time passed.
    assert min(found["ticks"], found["timers"]) > 5


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
    assert [path for path in LEFT_OUT if not (ROOT / "tests" / path).exists()] == []


def test_the_lock_names_no_host():
    packages = json.loads((HERE / "package-lock.json").read_text())["packages"]
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert all(package.get("integrity") for name, package in packages.items() if name)
