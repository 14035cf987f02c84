"""What every runtime promises. A test module of a runtime imports the class and says how to make one:

    class TestMine(RuntimeContract):
        def bench(self) -> Bench: ...

Each test gets a fresh bench; `Bench.again` returns a new user of the same machine, as after kill -9.
The container `ends` exits with `end_code` soon after its start; `stays` runs until it is stopped, and
`stubborn` ignores the stop signal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from roost.runtimes.port import (
    ContainerSpec,
    ContainerStatus,
    Exec,
    Images,
    Runtime,
    RuntimeFault,
    SandboxSpec,
    State,
)


@dataclass
class Bench:
    """A runtime under test. `commands` are the argv of the three kinds of container."""

    runtime: Runtime
    again: Callable[[], Runtime]
    sandbox: SandboxSpec
    image: str
    log_dir: str
    #: Runs a coroutine to its end, on the loop that suits the runtime.
    run: Callable[[Coroutine[Any, Any, None]], None]
    end_code: int = 3
    commands: dict[str, tuple[str, ...]] = field(
        default_factory=lambda: {
            "ends": ("sh", "-c", "exit 3"),
            "stays": ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"),
            "stubborn": ("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"),
        }
    )

    def container(self, name: str, attempt: int = 0) -> ContainerSpec:
        return ContainerSpec(
            id=f"{self.sandbox.id}-{name}-{attempt}",
            sandbox_id=self.sandbox.id,
            name=name,
            attempt=attempt,
            image=self.image,
            command=self.commands[name],
            log_path=f"{self.log_dir}/{name}/{attempt}.log",
        )


async def _ended(runtime: Runtime, container_id: str, within_s: float = 30.0) -> ContainerStatus:
    """Return the status of a container once it has ended."""
    async with asyncio.timeout(within_s):
        while True:
            for sandbox in await runtime.recover():
                for status in sandbox.containers:
                    if status.id == container_id and status.state is State.EXITED:
                        return status
            await asyncio.sleep(0.02)


class RuntimeContract:
    """The suite."""

    #: Skips what a runtime does not offer, by capability.
    without: ClassVar[frozenset[str]] = frozenset()

    def bench(self) -> Bench:
        raise AssertionError("say how to make the runtime")

    def _run(self, test: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
        bench = self.bench()

        async def main() -> None:
            try:
                await bench.runtime.start_sandbox(bench.sandbox)
                await test(bench)
            finally:
                await bench.runtime.stop_sandbox(bench.sandbox.id)

        bench.run(main())

    def test_a_sandbox_may_be_started_twice(self) -> None:
        async def test(bench: Bench) -> None:
            first = await bench.runtime.start_sandbox(bench.sandbox)
            second = await bench.runtime.start_sandbox(bench.sandbox)
            assert first.id == second.id == bench.sandbox.id
            assert first.ready
            assert len(await bench.runtime.recover()) == 1

        self._run(test)

    def test_a_container_may_be_started_twice_and_runs_once(self) -> None:
        async def test(bench: Bench) -> None:
            first = await bench.runtime.start_container(bench.container("stays"))
            second = await bench.runtime.start_container(bench.container("stays"))
            assert (first.state, second.state) == (State.RUNNING, State.RUNNING)
            assert first.started_at == second.started_at > 0

        self._run(test)

    def test_the_exit_code_is_the_true_one(self) -> None:
        async def test(bench: Bench) -> None:
            spec = bench.container("ends")
            await bench.runtime.start_container(spec)
            status = await _ended(bench.runtime, spec.id)
            assert status.exit_code == bench.end_code
            assert status.reason == "Error"
            assert status.finished_at >= status.started_at > 0
            assert (status.name, status.attempt) == ("ends", 0)

        self._run(test)

    def test_stop_waits_for_the_end_and_may_be_repeated(self) -> None:
        async def test(bench: Bench) -> None:
            spec = bench.container("stays")
            await bench.runtime.start_container(spec)
            await bench.runtime.stop_container(spec.id, 20.0)
            status = await _ended(bench.runtime, spec.id, 5)
            assert status.state is State.EXITED
            await bench.runtime.stop_container(spec.id, 20.0)
            await bench.runtime.stop_container("never-was", 20.0)

        self._run(test)

    def test_who_ignores_the_signal_is_killed_after_the_grace(self) -> None:
        async def test(bench: Bench) -> None:
            spec = bench.container("stubborn")
            await bench.runtime.start_container(spec)
            await asyncio.sleep(1)  # it sets its trap
            await bench.runtime.stop_container(spec.id, 0.3)
            assert (await _ended(bench.runtime, spec.id, 5)).exit_code == 137

        self._run(test)

    def test_a_second_stop_with_less_grace_shortens_the_first(self) -> None:
        async def test(bench: Bench) -> None:
            spec = bench.container("stubborn")
            await bench.runtime.start_container(spec)
            await asyncio.sleep(1)  # it sets its trap
            first = asyncio.ensure_future(bench.runtime.stop_container(spec.id, 1000.0))
            await asyncio.sleep(0.05)
            async with asyncio.timeout(30):
                await bench.runtime.stop_container(spec.id, 0.1)
                await first
            assert (await _ended(bench.runtime, spec.id, 5)).exit_code == 137

        self._run(test)

    def test_events_tell_of_the_end(self) -> None:
        async def test(bench: Bench) -> None:
            spec = bench.container("ends")
            ended: list[ContainerStatus] = []

            async def listen() -> None:
                async for batch in bench.runtime.events():
                    ended.extend(one for one in batch if one.state is State.EXITED)
                    if ended:
                        return

            listener = asyncio.ensure_future(listen())
            await asyncio.sleep(0.05)
            await bench.runtime.start_container(spec)
            async with asyncio.timeout(30):
                await listener
            assert (ended[0].id, ended[0].exit_code) == (spec.id, bench.end_code)

        self._run(test)

    def test_another_user_finds_what_runs_and_what_ended(self) -> None:
        async def test(bench: Bench) -> None:
            stays, ends = bench.container("stays"), bench.container("ends")
            started = await bench.runtime.start_container(stays)
            await bench.runtime.start_container(ends)
            await _ended(bench.runtime, ends.id)
            (sandbox,) = await bench.again().recover()
            found = {status.name: status for status in sandbox.containers}
            assert sandbox.ready
            assert (sandbox.pod_uid, sandbox.pod_name) == (
                bench.sandbox.pod_uid,
                bench.sandbox.pod_name,
            )
            assert found["stays"].state is State.RUNNING
            assert found["stays"].started_at == started.started_at
            assert found["ends"].exit_code == bench.end_code

        self._run(test)

    def test_recovery_ends_nothing(self) -> None:
        async def test(bench: Bench) -> None:
            spec = bench.container("stays")
            await bench.runtime.start_container(spec)
            for _ in range(3):
                await bench.again().recover()
            (sandbox,) = await bench.runtime.recover()
            assert sandbox.containers[0].state is State.RUNNING

        self._run(test)

    def test_a_removed_container_is_forgotten(self) -> None:
        async def test(bench: Bench) -> None:
            spec = bench.container("ends")
            await bench.runtime.start_container(spec)
            await _ended(bench.runtime, spec.id)
            await bench.runtime.remove_container(spec.id)
            await bench.runtime.remove_container(spec.id)
            (sandbox,) = await bench.runtime.recover()
            assert sandbox.containers == ()

        self._run(test)

    def test_the_next_attempt_is_another_container(self) -> None:
        async def test(bench: Bench) -> None:
            first, second = bench.container("ends"), bench.container("ends", 1)
            await bench.runtime.start_container(first)
            await _ended(bench.runtime, first.id)
            await bench.runtime.start_container(second)
            assert (await _ended(bench.runtime, second.id)).attempt == 1

        self._run(test)

    def test_stopping_a_sandbox_leaves_no_trace_and_may_be_repeated(self) -> None:
        async def test(bench: Bench) -> None:
            await bench.runtime.start_container(bench.container("stubborn"))
            async with asyncio.timeout(30):
                await bench.runtime.stop_sandbox(bench.sandbox.id)
                await bench.runtime.stop_sandbox(bench.sandbox.id)
            assert await bench.runtime.recover() == []
            assert await bench.again().recover() == []

        self._run(test)

    def test_a_container_without_a_sandbox_is_refused(self) -> None:
        async def test(bench: Bench) -> None:
            spec = bench.container("stays")
            await bench.runtime.stop_sandbox(bench.sandbox.id)
            with pytest.raises(RuntimeFault) as refused:
                await bench.runtime.start_container(spec)
            assert refused.value.reason == "CreateContainerError"

        self._run(test)

    def test_exec_gives_output_and_code(self) -> None:
        async def test(bench: Bench) -> None:
            runtime = bench.runtime
            if not isinstance(runtime, Exec):
                return
            spec = bench.container("stays")
            await runtime.start_container(spec)
            process = await runtime.exec(
                spec.id, ("sh", "-c", "echo hello; exit 5"), tty=False, stdin=False
            )
            output = b"".join([chunk async for _, chunk in process.output()])
            assert (output.strip(), await process.wait()) == (b"hello", 5)
            await process.close()

        self._run(test)

    def test_a_missing_image_is_an_answer(self) -> None:
        async def test(bench: Bench) -> None:
            runtime = bench.runtime
            assert runtime.describe().name
            if isinstance(runtime, Images):
                assert await runtime.find_image("localhost/no/such:image") is None

        self._run(test)
