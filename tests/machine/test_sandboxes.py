"""What the containers of a pod share, and what they share with the machine."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from container_scene import all_output, scene, text_of
from roost.runtimes.port import RuntimeFault

pytestmark = pytest.mark.root


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
                "cat /proc/sys/kernel/shm_rmid_forced; ps | grep -c '[h]ttpd'; "
                "ps | grep 'sleep inf' | head -1"
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


def test_a_sysctl_of_the_machine_is_refused(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            with pytest.raises(
                RuntimeFault, match=r'sysctl "net.ipv4.ip_forward" would change more'
            ):
                await here.sandbox(host_network=True, sysctls={"net.ipv4.ip_forward": "1"})
            assert await here.runtime.recover() == []

    asyncio.run(body())


def test_an_ended_container_leaves_no_process_in_a_shared_namespace(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox(share_processes=True)
            stays = here.spec(sandbox, "sleep 1000", "stays")
            parent = here.spec(sandbox, "(trap '' HUP TERM; sleep 999) & sleep 0.05", "parent")
            for spec in (stays, parent):
                await here.runtime.start_container(spec)
            await here.ended(parent.id)
            listing = await here.runtime.exec(stays.id, ("ps",), tty=False, stdin=False)
            printed = (await all_output(listing))[0]
            await listing.close()
            assert b"sleep 1000" in printed
            assert b"sleep 999" not in printed

    asyncio.run(body())


def test_a_container_that_looks_into_another_sees_its_processes_alone(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            target = here.spec(sandbox, "sleep 1000", "target")
            beside = here.spec(sandbox, "sleep 2000", "beside")
            for spec in (target, beside):
                await here.runtime.start_container(spec)
            looking = replace(here.spec(sandbox, "ps", "looking"), processes_of=target.id)
            await here.runtime.start_container(looking)
            await here.ended(looking.id)
            printed = text_of(looking.log_path)
            assert "sleep 1000" in printed
            assert "sleep 2000" not in printed
            late = replace(here.spec(sandbox, "ps", "late"), processes_of=looking.id)
            with pytest.raises(RuntimeFault, match="is not running"):
                await here.runtime.start_container(late)

    asyncio.run(body())


def own_namespaces(*kinds: str) -> list[str]:
    return [str(Path("/proc/self/ns", kind).readlink()) for kind in kinds]


def test_host_namespaces(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            host = {"host_network": True, "host_pid": True, "host_ipc": True}
            _, printed = await here.run(
                "hostname; for n in net pid ipc uts; do readlink /proc/self/ns/$n; done",
                sandbox=host,
            )
            name, *found = printed.splitlines()
            assert name == socket.gethostname()
            assert found == own_namespaces("net", "pid", "ipc", "uts")

    asyncio.run(body())
