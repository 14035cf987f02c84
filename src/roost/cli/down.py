"""`roost down`: ends Roost in a data directory, and everything that it left running."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from roost.adapters.real.clock import SystemClock
from roost.cli.output import fail, say
from roost.cli.places import Places
from roost.network.dataplane import NftablesDataplane
from roost.network.dns.process import DnsProcess
from roost.network.plan import NetworkError, NodeNetwork
from roost.network.podnetwork import BridgePodNetwork
from roost.runtimes.oci.runtime import OciRuntime, OciSettings
from roost.runtimes.port import RuntimeFault, SandboxStatus

_END_TIMEOUT_S = 20.0


def end_supervisor(places: Places) -> None:
    """End a `roost up` that runs in the data directory, and wait for it."""
    path = places.root / "up.lock"
    if not path.exists():
        return
    with path.open("r+") as file:
        deadline = time.monotonic() + _END_TIMEOUT_S
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                pid = file.read().strip()
                if not told and pid.isdigit():
                    say(f"ending roost up (pid {pid})")
                    os.kill(int(pid), signal.SIGTERM)
                    told = True
                if time.monotonic() > deadline:
                    fail(f"roost up (pid {pid}) does not end; look at {places.log('server')}")
                time.sleep(0.1)
            else:
                return


async def stop_pods(places: Places, network: NodeNetwork) -> int:
    """Stop every pod of the data directory and remove its network; return how many there were."""
    settings = OciSettings(root=places.runtime, cgroup_root=f"/roost-{places.instance}")
    runtime = await OciRuntime.open(settings, SystemClock())
    try:
        sandboxes = await runtime.recover()
        limit = asyncio.Semaphore(4)

        async def stop(sandbox: SandboxStatus) -> None:
            async with limit:
                await runtime.stop_sandbox(sandbox.id)
                say(f"stopped {sandbox.pod_namespace}/{sandbox.pod_name}")

        async with asyncio.TaskGroup() as tasks:
            for sandbox in sandboxes:
                tasks.create_task(stop(sandbox))
    finally:
        await runtime.close()
    DnsProcess(places.dns, network.gateway).stop()
    await BridgePodNetwork(network, places.network, places.run).remove()
    await NftablesDataplane(network).remove()
    return len(sandboxes)


def unmount_below(folder: Path) -> None:
    """Unmount everything below a folder, the innermost first."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    below = [mount for mount in mounts if mount.startswith(f"{folder}/")]
    for mount in sorted(below, key=len, reverse=True):
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["umount", "-l", mount], check=True, capture_output=True)


def down(places: Places, network: NodeNetwork, *, delete_data: bool) -> None:
    """Stop everything; with `delete_data` forget everything too."""
    end_supervisor(places)
    try:
        count = asyncio.run(stop_pods(places, network))
    except (RuntimeFault, NetworkError) as error:
        fail(str(error))
    unmount_below(places.root)
    unmount_below(places.run)
    shutil.rmtree(places.run, ignore_errors=True)
    if delete_data:
        (places.run.parent / f"{places.instance}.claim").unlink(missing_ok=True)
    if delete_data:
        unmount_below(places.root)
        shutil.rmtree(places.root)
        say(f"stopped {count} pods and deleted {places.root}")
    else:
        say(f"stopped {count} pods; objects and images stay in {places.root}")
