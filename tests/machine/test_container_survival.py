"""What becomes of containers when their agent, or their monitor, is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from container_scene import gone, read, scene, text_of
from roost.runtimes.port import RuntimeFault, State

pytestmark = pytest.mark.root


def test_a_new_instance_finds_what_ran_on(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            lasting = here.spec(sandbox, "while :; do sleep 0.05; done", "lasting")
            brief = here.spec(sandbox, "read x; exit 9", "brief", stdin=True)
            for spec in (lasting, brief):
                await here.runtime.start_container(spec)
            before = await here.status(lasting.id)
            writer = await here.runtime.attach(brief.id, stdin=True)
            await writer.write(b"go\n")
            await here.runtime.close()  # from here on nobody watches
            await gone((await here.status(brief.id)).pid)
            await here.reopen()
            [found] = await here.runtime.recover()
            assert found.ready
            assert (await here.status(lasting.id)) == before
            status = await here.ended(brief.id)
            assert (status.exit_code, status.reason) == (9, "Error")
            await here.runtime.stop_container(lasting.id, 0)
            assert (await here.ended(lasting.id)).exit_code == 137

    asyncio.run(body())


_AGENT = """
import asyncio, os, signal, sys
from pathlib import Path
sys.path[:0] = {paths!r}
from container_scene import RealClock
from roost.runtimes.oci.runtime import OciRuntime, OciSettings
from roost.runtimes.port import ContainerSpec, SandboxSpec

async def body():
    root = Path({root!r})
    runtime = await OciRuntime.open(OciSettings(root, cgroup_root={cgroup!r}), RealClock())
    sandbox = SandboxSpec("{prefix}-pod", "p", "default", "u", "h", str(root / "logs"))
    await runtime.start_sandbox(sandbox)
    for name in ("a", "b", "c"):
        script = "i=0; while [ $i -lt 20 ]; do i=$((i+1)); echo $i; sleep 0.02; done; exit 6"
        spec = ContainerSpec("{prefix}-" + name, sandbox.id, name, 0, {image!r}, ("sh", "-c", script),
            log_path=str(root / "logs" / name))
        if name == "c":
            asyncio.get_running_loop().call_later({delay}, os.kill, os.getpid(), signal.SIGKILL)
        await runtime.start_container(spec)
    await asyncio.sleep(10)

asyncio.run(body())
"""


@pytest.mark.parametrize("delay", [0.0, 0.012, 0.03, 0.2])
def test_an_agent_killed_at_any_instant_takes_nothing_along(tmp_path: Path, delay: float) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            text = _AGENT.format(
                paths=[str(Path(__file__).parent.parent)],
                root=str(tmp_path),
                cgroup=here.settings.cgroup_root,
                prefix=here.prefix,
                image=here.image.id,
                delay=delay,
            )
            await here.runtime.close()
            agent = await asyncio.create_subprocess_exec(
                sys.executable, "-c", text, stderr=subprocess.DEVNULL
            )
            assert await agent.wait() == -signal.SIGKILL
            await here.reopen()
            for name in ("a", "b"):
                status = await here.ended(f"{here.prefix}-{name}")
                assert (status.state, status.exit_code) == (State.EXITED, 6)
                assert text_of(str(tmp_path / "logs" / name)).split() == [
                    str(n) for n in range(1, 21)
                ]

    asyncio.run(body())


def test_after_a_reboot_everything_is_found_ended_and_can_be_removed(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(sandbox, "sleep 100")
            await here.runtime.start_container(spec)
            await here.runtime.stop_container(spec.id, 0)
            await here.runtime.close()
            before_reboot(tmp_path, sandbox.id, spec.id)
            await here.reopen()
            [found] = await here.runtime.recover()
            assert not found.ready
            assert found.containers[0].state is State.UNKNOWN
            with pytest.raises(RuntimeFault, match="not running"):
                await here.runtime.exec(spec.id, ("true",), tty=False, stdin=False)

    asyncio.run(body())


def before_reboot(root: Path, sandbox_id: str, container_id: str) -> None:
    """Make records say that they are from another boot, in which the exit file was never written."""
    for folder in (root / "oci/sandboxes" / sandbox_id, root / "oci/containers" / container_id):
        record = json.loads((folder / "record.json").read_text())
        (folder / "record.json").write_text(json.dumps({**record, "boot": "another"}))
    (root / "oci/containers" / container_id / "exit" / container_id).unlink()


def test_stopping_a_sandbox_waits_for_what_is_being_started_in_it(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            specs = [here.spec(sandbox, "sleep 100", f"c{number}") for number in range(3)]
            starts = [asyncio.create_task(here.runtime.start_container(spec)) for spec in specs]
            await asyncio.sleep(0.01)
            await here.runtime.stop_sandbox(sandbox.id)
            await asyncio.gather(*starts, return_exceptions=True)
            assert await here.runtime.recover() == []
            with pytest.raises(RuntimeFault, match="no sandbox"):
                await here.runtime.start_container(specs[0])

    asyncio.run(body())


def test_a_start_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            for delay in (0.0, 0.005, 0.02, 0.04):
                spec = here.spec(sandbox, "sleep 100")
                start = asyncio.create_task(here.runtime.start_container(spec))
                await asyncio.sleep(delay)
                start.cancel()
                await asyncio.gather(start, return_exceptions=True)
                [found] = await here.runtime.recover()
                assert found.containers == () or not start.cancelled()
                await here.runtime.remove_container(spec.id)
            await here.runtime.start_container(spec)

    asyncio.run(body())


def test_what_a_killed_runtime_left_mounted_is_removed(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            spec = here.spec(await here.sandbox(), "sleep 100")
            await here.runtime.start_container(spec)
            state = tmp_path / "oci/state" / spec.id
            (state / "runc.left").touch()
            subprocess.run(["mount", "--bind", "/bin/true", state / "runc.left"], check=True)
            await here.runtime.remove_container(spec.id)
            assert not state.exists()
            assert str(state) not in read(Path("/proc/self/mounts"))

    asyncio.run(body())


def test_a_killed_monitor_makes_the_end_unknown(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(sandbox, "sleep 100")
            await here.runtime.start_container(spec)
            monitor = tmp_path / "oci/containers" / spec.id / "monitor.pid"
            os.kill(int(read(monitor)), signal.SIGKILL)
            await asyncio.sleep(0.05)
            assert (await here.status(spec.id)).state is State.RUNNING
            await here.runtime.stop_container(spec.id, 0)
            assert (await here.status(spec.id)).state is State.UNKNOWN

    asyncio.run(body())


def test_an_end_while_it_is_looked_at_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            spec = here.spec(await here.sandbox(), "exit 3")
            await here.runtime.start_container(spec)
            assert (await here.ended(spec.id)).exit_code == 3
            await here.runtime.close()
            file = tmp_path / "oci/containers" / spec.id / "exit" / spec.id
            late = file.rename(tmp_path / "late")

            def ends_now(*_: int) -> bool:
                if late.exists():
                    late.rename(file)
                return False

            monkeypatch.setattr("roost.runtimes.oci.containers._lives", ends_now)
            await here.reopen()
            status = await here.status(spec.id)
            assert (status.state, status.exit_code) == (State.EXITED, 3)

    asyncio.run(body())


def test_many_containers_at_once(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            specs = [here.spec(sandbox, "sleep 100", f"c{number}") for number in range(12)]
            async with asyncio.TaskGroup() as group:
                for spec in specs:
                    group.create_task(here.runtime.start_container(spec))
            [found] = await here.runtime.recover()
            assert [each.state for each in found.containers] == [State.RUNNING] * 12

    asyncio.run(body())


def test_a_machine_without_a_working_runtime_says_so_in_a_line(tmp_path: Path) -> None:
    async def body() -> None:
        with pytest.raises(RuntimeFault, match="no container runtime works here") as caught:
            async with scene(tmp_path, runtimes=("no-such-runtime",)):
                pass
        assert "no-such-runtime: is not installed" in caught.value.message
        assert "\n" not in caught.value.message

    asyncio.run(body())
