"""What the containers of a pod share, and what they share with the machine."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from container_scene import scene, text_of

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
            assert found == [
                os.readlink(f"/proc/self/ns/{n}") for n in ("net", "pid", "ipc", "uts")
            ]

    asyncio.run(body())
