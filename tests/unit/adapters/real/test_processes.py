"""Programs of this machine: what they say, and those that end at once."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from roost.adapters.real.processes import SystemProcesses


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest):
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner


def test_input_output_and_exit_code(runner):
    script = "cat; echo wrong >&2; exit 3"
    done = runner.run(SystemProcesses().run(["sh", "-c", script], stdin=b"given"))
    assert (done.code, done.stdout, done.stderr) == (3, b"given", b"wrong\n")


def test_without_input_there_is_none(runner):
    assert runner.run(SystemProcesses().run(["cat"])).stdout == b""


def test_a_program_that_is_not_there(runner):
    done = runner.run(SystemProcesses().run(["/no/such/program"]))
    assert (done.code, done.stderr) == (127, b"/no/such/program: No such file or directory")


@pytest.mark.parametrize("stdin", [b"", b"x" * 300_000])
def test_programs_that_end_before_they_are_asked(runner, stdin: bytes):
    async def main() -> list[int]:
        runs = [SystemProcesses().run(["true"], stdin=stdin) for _ in range(40)]
        return [done.code for done in await asyncio.gather(*runs)]

    assert runner.run(main()) == [0] * 40


def test_a_program_that_takes_too_long_is_ended(runner):
    with pytest.raises(TimeoutError):
        runner.run(SystemProcesses().run(["sleep", "100"], timeout_s=0.05))
