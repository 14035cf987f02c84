"""Real containers: what runs in them, how they end, and that nothing of them stays."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from container_scene import Scene, all_output, scene, text_of, until
from images import TestImage, busybox_image, folder

from roost.runtimes.port import Limits, Mount, RuntimeFault, Security, State

pytestmark = pytest.mark.root


def test_a_container_runs_logs_and_ends_with_its_code(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(sandbox, "echo out; echo err >&2; printf rest; exit 7")
            changes = here.runtime.events()
            started = await here.runtime.start_container(spec)
            assert started.started_at >= started.created_at > 0
            status = await here.ended(spec.id)
            assert (status.state, status.exit_code, status.reason) == (State.EXITED, 7, "Error")
            assert status.finished_at >= status.started_at
            lines = sorted(
                line.split(" ", 1)[1] for line in Path(spec.log_path).read_text().splitlines()
            )
            assert lines == ["stderr F err", "stdout F out", "stdout P rest"]
            assert [each.state for each in await anext(changes)] == [State.EXITED]
            assert (await here.runtime.start_container(spec)).exit_code == 7  # twice is once
            await here.runtime.remove_container(spec.id)
            await here.runtime.remove_container(spec.id)
            assert Path(spec.log_path).exists()

    asyncio.run(body())


def test_what_the_process_sees(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            volume = tmp_path / "volume"
            volume.mkdir()
            (volume / "file").write_text("from the host\n")
            script = (
                "hostname; id -u; id -g; id -G; pwd; echo $A $B; cat /v/file; touch /v/x || echo refused; "
                "echo > /tmp/ok && echo written; grep NoNewPrivs /proc/self/status; ls /sys/firmware | wc -l; "
                "echo 1 > /proc/sys/kernel/printk || echo masked; df /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2"
            )
            _, printed = await here.run(
                script,
                env=(("A", "1"), ("B", "x y")),
                working_dir="/made/up",
                mounts=(Mount(str(volume), "/v", read_only=True),),
                security=Security(user=1000, supplemental_groups=(3000,), no_new_privileges=True),
            )
            lines = printed.splitlines()
            assert lines[:7] == [
                *("host-run0", "1000", "1001", "1001 2000 3000", "/made/up", "1 x y"),
                "from the host",
            ]
            assert any("refused" in line for line in lines)
            assert "written" in lines
            assert "NoNewPrivs:\t1" in lines
            assert any("masked" in line for line in lines)
            assert lines[-1] == "65536"

    asyncio.run(body())


def test_capabilities_read_only_root_and_privilege(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            show = "grep CapEff /proc/self/status | cut -f2"
            _, default = await here.run(show)
            _, none = await here.run(show, security=Security(drop_capabilities=("ALL",)))
            _, one = await here.run(
                show, security=Security(drop_capabilities=("ALL",), add_capabilities=("NET_ADMIN",))
            )
            assert [int(text, 16) for text in (default, none, one)] == [0xA80425FB, 0, 1 << 12]
            _, printed = await here.run(
                "touch /x || echo refused; mount -t tmpfs none /tmp || echo no",
                security=Security(read_only_root=True, seccomp="RuntimeDefault"),
            )
            assert printed.splitlines()[-1] == "no"
            assert "refused" in printed
            _, printed = await here.run(
                "mount -t tmpfs none /tmp && echo mounted; ls /dev/null",
                security=Security(privileged=True),
            )
            assert "mounted" in printed

    asyncio.run(body())


def test_seccomp_lets_ordinary_work_through_and_refuses_the_rest(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            secure = Security(seccomp="RuntimeDefault", add_capabilities=("SYS_CHROOT",))
            status, printed = await here.run(
                "(echo a | cat; seq 100 | sort -n | tail -1; sleep 0.01) & wait; grep Seccomp: /proc/self/status",
                security=secure,
            )
            assert printed.split() == ["a", "100", "Seccomp:", "2"]
            assert status.exit_code == 0

    asyncio.run(body())


def test_the_kernel_enforces_the_limits(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            status, _ = await here.run(
                "tail /dev/zero", limits=Limits(memory_bytes=32 << 20), name="greedy"
            )
            assert (status.exit_code, status.reason) == (137, "OOMKilled")
            status, _ = await here.run(
                "tail /dev/zero", sandbox={"limits": Limits(memory_bytes=32 << 20)}, name="pod"
            )
            assert (status.exit_code, status.reason) == (137, "OOMKilled")
            _, printed = await here.run(
                "for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; echo not reached",
                limits=Limits(pids=5),
            )
            assert "not reached" not in printed.splitlines()

    asyncio.run(body())


def test_stop_asks_first_and_kills_then(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            polite = here.spec(
                sandbox, 'trap "exit 42" USR1; echo up; while :; do sleep 0.05; done', "a"
            )
            polite = here.spec(
                sandbox,
                'trap "exit 42" USR1; echo up; while :; do sleep 0.05; done',
                "polite",
                stop_signal="SIGUSR1",
            )
            deaf = here.spec(sandbox, 'trap "" TERM; echo up; while :; do sleep 0.05; done', "deaf")
            for spec in (polite, deaf):
                await here.runtime.start_container(spec)
                await _logged(spec.log_path, "up")
            await here.runtime.stop_container(polite.id, 10)
            assert (await here.status(polite.id)).exit_code == 42
            await here.runtime.stop_container(deaf.id, 0.2)
            assert (await here.status(deaf.id)).exit_code == 137
            await here.runtime.stop_container(deaf.id, 5)

    asyncio.run(body())


def test_a_start_that_fails_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(sandbox, "", command=("/no/such/program",))
            with pytest.raises(RuntimeFault, match="no such file or directory") as caught:
                await here.runtime.start_container(spec)
            assert caught.value.reason == "RunContainerError"
            with pytest.raises(
                RuntimeFault, match='"nonsense": executable file not found in \\$PATH'
            ):
                await here.runtime.start_container(here.spec(sandbox, "", command=("nonsense",)))
            with pytest.raises(RuntimeFault, match="image will run as root"):
                await here.runtime.start_container(
                    here.spec(sandbox, "", security=Security(run_as_non_root=True))
                )
            with pytest.raises(RuntimeFault, match="/no/such/volume"):
                await here.runtime.start_container(
                    here.spec(sandbox, "", mounts=(Mount("/no/such/volume", "/v"),))
                )
            [status] = await here.runtime.recover()
            assert status.containers == ()

    asyncio.run(body())


def test_exec_has_streams_codes_and_the_container_s_user(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(sandbox, "sleep 100", security=Security(user=1000), env=(("A", "1"),))
            await here.runtime.start_container(spec)
            argv = ("sh", "-c", "cat; echo err >&2; id -u; echo $A; exit 3")
            process = await here.runtime.exec(spec.id, argv, tty=False, stdin=True)
            await process.write(b"input\n")
            await process.close_stdin()
            assert await all_output(process) == (b"input\n1000\n1\n", b"err\n")
            assert await process.wait() == 3
            await process.close()
            process = await here.runtime.exec(spec.id, ("nonsense",), tty=False, stdin=False)
            out, err = await all_output(process)
            assert b"executable file not found" in out + err
            assert await process.wait() in {126, 127, 255, 1}
            await process.close()

    asyncio.run(body())


def test_exec_on_a_terminal_follows_its_size(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(sandbox, "sleep 100")
            await here.runtime.start_container(spec)
            process = await here.runtime.exec(spec.id, ("sh",), tty=True, stdin=True)
            await until(process, b"#")
            await process.resize(101, 37)
            await process.write(
                b"while [ \"$(stty size)\" != '37 101' ]; do :; done; echo resi''zed\n"
            )
            await until(process, b"resized")
            await process.write(b"exit 5\n")
            await all_output(process)
            assert await process.wait() == 5
            await process.close()
            hung = await here.runtime.exec(spec.id, ("sleep", "99"), tty=True, stdin=True)
            await asyncio.sleep(0.05)
            await hung.close()
            listing = await here.runtime.exec(spec.id, ("ps",), tty=False, stdin=False)
            assert b"sleep 99" not in (await all_output(listing))[0]
            await listing.close()

    asyncio.run(body())


def test_attach_talks_to_the_main_process(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(
                sandbox, "while read x; do echo got $x; echo bad $x >&2; done", stdin=True
            )
            await here.runtime.start_container(spec)
            process = await here.runtime.attach(spec.id, stdin=True)
            await process.write(b"one\n")
            seen = set()
            output = process.output()
            async with asyncio.timeout(10):
                while len(seen) < 2:
                    seen.add(await anext(output))
            assert seen == {(1, b"got one\n"), (2, b"bad one\n")}
            await process.close()
            again = await here.runtime.attach(spec.id, stdin=True)
            await again.write(b"two\n")
            assert b"two" in await until(again, b"two")
            await again.close()
            assert (await here.status(spec.id)).state is State.RUNNING

    asyncio.run(body())


def test_stdin_once_ends_with_the_first_client(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(sandbox, "cat; echo end", stdin=True, stdin_once=True)
            await here.runtime.start_container(spec)
            process = await here.runtime.attach(spec.id, stdin=True)
            await process.write(b"line\n")
            await process.close_stdin()
            assert (await all_output(process))[0] == b"line\nend\n"
            assert await process.wait() == 0
            await process.close()
            assert (await here.ended(spec.id)).exit_code == 0

    asyncio.run(body())


def test_attach_to_a_terminal(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(sandbox, "", command=("sh",), stdin=True, tty=True)
            await here.runtime.start_container(spec)
            process = await here.runtime.attach(spec.id, stdin=True)
            await process.resize(90, 30)
            await process.write(b"stty size; echo $TERM\n")
            assert b"30 90" in await until(process, b"xterm")
            await process.write(b"exit 4\n")
            await all_output(process)
            await process.close()
            assert (await here.ended(spec.id)).exit_code == 4

    asyncio.run(body())


def test_a_port_inside_the_sandbox(tmp_path: Path, make_namespace) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox(network_namespace=make_namespace().path)
            script = "echo served > /tmp/index.html; httpd -f -p 8080 -h /tmp"
            await here.runtime.start_container(here.spec(sandbox, script))
            for _ in range(100):
                try:
                    process = await here.runtime.open_port(sandbox.id, 8080)
                    break
                except RuntimeFault:
                    await asyncio.sleep(0.01)
            await process.write(b"GET /index.html HTTP/1.0\r\n\r\n")
            out, _ = await all_output(process)
            assert out.endswith(b"served\n")
            assert await process.wait() == 0
            await process.close()
            with pytest.raises(RuntimeFault, match="refused"):
                await here.runtime.open_port(sandbox.id, 8081)

    asyncio.run(body())


def test_containers_of_a_sandbox_share_what_pods_share(tmp_path: Path, make_namespace) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox(
                network_namespace=make_namespace().path,
                share_processes=True,
                sysctls={
                    "net.ipv4.ip_unprivileged_port_start": "80",
                    "kernel.shm_rmid_forced": "1",
                },
            )
            first = here.spec(sandbox, "echo hi > /dev/shm/x; httpd -f -p 80 -h /tmp", "first")
            await here.runtime.start_container(first)
            script = (
                "hostname; cat /dev/shm/x; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; "
                "cat /proc/sys/kernel/shm_rmid_forced; ps | grep -c '[h]ttpd'; ps | grep 'sleep inf' | head -1"
            )
            second = here.spec(sandbox, script, "second")
            await here.runtime.start_container(second)
            await here.ended(second.id)
            lines = text_of(second.log_path).splitlines()
            assert lines[:5] == ["host-pod", "hi", "80", "1", "1"]
            assert lines[5].split()[0] == "1"
            other = await here.sandbox("other")
            alone = here.spec(other, "ls /dev/shm; hostname; ps | wc -l")
            await here.runtime.start_container(alone)
            await here.ended(alone.id)
            assert text_of(alone.log_path).splitlines()[0] == "host-other"

    asyncio.run(body())


def test_host_namespaces(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            host = {"host_network": True, "host_pid": True, "host_ipc": True}
            _, printed = await here.run(
                "hostname; for n in net pid ipc uts; do readlink /proc/self/ns/$n; done",
                sandbox=host,
            )
            name, *found = printed.splitlines()
            assert name == Path("/proc/sys/kernel/hostname").read_text().strip()
            assert found == [
                str(Path(f"/proc/self/ns/{n}").readlink()) for n in ("net", "pid", "ipc", "uts")
            ]

    asyncio.run(body())


def test_log_rotation_loses_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(
                sandbox, "i=0; while [ $i -lt 300 ]; do echo $i; i=$((i+1)); sleep 0.001; done"
            )
            await here.runtime.start_container(spec)
            await _logged(spec.log_path, "5")
            assert await here.runtime.rotate_log(spec.id, spec.log_path + ".1")
            await here.ended(spec.id)
            printed = text_of(spec.log_path + ".1") + "\n" + text_of(spec.log_path)
            assert printed.split() == [str(number) for number in range(300)]

    asyncio.run(body())


def test_usage_counts(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(sandbox, "sleep 100 & x=$(seq 200000); echo up; wait")
            await here.runtime.start_container(spec)
            await _logged(spec.log_path, "up")
            [usage] = await here.runtime.usage()
            assert usage.container_id == spec.id
            assert 0 < usage.cpu_seconds < 20
            assert usage.memory_working_set_bytes >= usage.memory_rss_bytes > 500_000
            assert usage.pids == 2

    asyncio.run(body())


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
            await _gone((await here.status(brief.id)).pid)
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


def test_a_killed_monitor_makes_the_end_unknown(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(sandbox, "sleep 100")
            await here.runtime.start_container(spec)
            monitor = tmp_path / "oci/containers" / spec.id / "monitor.pid"
            import os

            os.kill(int(monitor.read_text()), signal.SIGKILL)
            await asyncio.sleep(0.05)
            assert (await here.status(spec.id)).state is State.RUNNING
            await here.runtime.stop_container(spec.id, 0)
            assert (await here.status(spec.id)).state is State.UNKNOWN

    asyncio.run(body())


def test_an_image_s_volumes_are_writable_and_keep_its_content(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            files = {"data/": folder(0o711, 1000, 1001), "data/seed": "from the image\n"}
            image = await here.load(busybox_image(files, {"Volumes": {"/data": {}, "/empty": {}}}))
            script = "cat /data/seed; stat -c %a.%u /data; echo > /data/x && echo > /empty/x && echo written"
            _, printed = await here.run(
                script, image=image.id, security=Security(read_only_root=True)
            )
            assert printed.splitlines() == ["from the image", "711.1000", "written"]

    asyncio.run(body())


def test_many_layers(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path / ("deep" * 20)) as here:
            base = busybox_image().layers
            more = [{f"layer{number}": str(number)} for number in range(70)]
            image = await here.load(TestImage([*base, *more], {"Env": ["PATH=/bin"]}))
            _, printed = await here.run("cat /layer*", image=image.id)
            assert len(printed) == sum(len(str(number)) for number in range(70))

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


async def _logged(path: str, text: str) -> None:
    deadline = time.monotonic() + 10
    while not Path(path).exists() or f" {text}\n" not in Path(path).read_text():
        assert time.monotonic() < deadline, f"{path} never said {text!r}"
        await asyncio.sleep(0.005)


async def _gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while (
        Path(f"/proc/{pid}").exists()
        and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]
    ):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


__all__ = ["Scene"]
