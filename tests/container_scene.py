"""A container runtime in a folder of its own, for tests; and the proof that it left nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from images import TestImage, busybox_image
from roost.runtimes.oci.runtime import OciRuntime, OciSettings
from roost.runtimes.port import (
    ContainerSpec,
    ContainerStatus,
    Image,
    Process,
    SandboxSpec,
    State,
)


class RealClock:
    """The time of day."""

    def now(self) -> float:
        return time.time()


@dataclass
class Scene:
    """A runtime with a busybox image, and short ways to ask it for things."""

    runtime: OciRuntime
    settings: OciSettings
    image: Image
    prefix: str
    sandboxes: list[str] = field(default_factory=list)

    async def reopen(self) -> None:
        """Do what a restart of the agent does."""
        await self.runtime.close()
        self.runtime = await OciRuntime.open(self.settings, RealClock())

    async def sandbox(self, name: str = "pod", **more: Any) -> SandboxSpec:
        identity = f"{self.prefix}-{name}"
        logs = str(self.settings.root / "logs")
        spec = SandboxSpec(identity, name, "default", f"uid-{name}", f"host-{name}", logs, **more)
        self.sandboxes.append(identity)
        await self.runtime.start_sandbox(spec)
        return spec

    def spec(
        self, sandbox: SandboxSpec, script: str, name: str = "main", **more: Any
    ) -> ContainerSpec:
        identity = f"{sandbox.id}-{name}"
        more.setdefault("command", ("sh", "-c", script))
        more.setdefault("log_path", f"{sandbox.log_dir}/{identity}.log")
        more.setdefault("image", self.image.id)
        return ContainerSpec(identity, sandbox.id, name, 0, **more)

    async def run(self, script: str, **more: Any) -> tuple[ContainerStatus, str]:
        """Run a script in a sandbox of its own to its end; return its status and what it printed."""
        sandbox_options = more.pop("sandbox", {})
        sandbox = await self.sandbox(f"run{len(self.sandboxes)}", **sandbox_options)
        spec = self.spec(sandbox, script, **more)
        await self.runtime.start_container(spec)
        status = await self.ended(spec.id)
        printed = text_of(spec.log_path)
        await self.runtime.stop_sandbox(sandbox.id)
        return status, printed

    async def status(self, container_id: str) -> ContainerStatus:
        for sandbox in await self.runtime.recover():
            for container in sandbox.containers:
                if container.id == container_id:
                    return container
        raise AssertionError(f"no container {container_id}")

    async def ended(self, container_id: str, timeout_s: float = 20) -> ContainerStatus:
        """Wait for a container's end."""
        async with asyncio.timeout(timeout_s):
            changes = self.runtime.events()
            while (status := await self.status(container_id)).state is State.RUNNING:
                await anext(changes)
            return status

    async def load(self, image: TestImage, name: str = "test:latest") -> Image:
        path = self.settings.root / f"{uuid.uuid4().hex}.tar"
        [loaded] = await self.runtime.load_image(str(image.docker_archive(path, name)))
        return loaded


def text_of(log_path: str) -> str:
    """Return what a log's container printed, both streams in their order, without the last newline."""
    rows = [line.split(" ", 3) for line in Path(log_path).read_text().splitlines()]
    return "".join(text + ("\n" if tag == "F" else "") for _, _, tag, text in rows).rstrip("\n")


def read(path: Path) -> str:
    """Return a file's text, "" while there is none."""
    return path.read_text() if path.exists() else ""


def log_lines(log_path: str) -> list[str]:
    """Return the raw lines of a log."""
    return read(Path(log_path)).splitlines()


async def logged(log_path: str, text: str, timeout_s: float = 10) -> None:
    """Wait until a container has printed a line."""
    async with asyncio.timeout(timeout_s):
        while not any(line.endswith(f" F {text}") for line in log_lines(log_path)):  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(0.005)


async def gone(pid: int, timeout_s: float = 10) -> None:
    """Wait until a process has ended."""
    async with asyncio.timeout(timeout_s):
        while read(Path(f"/proc/{pid}/stat")).split()[2:3] not in ([], ["Z"]):  # noqa: ASYNC110  # another process ends
            await asyncio.sleep(0.005)


async def all_output(process: Process, timeout_s: float = 20) -> tuple[bytes, bytes]:
    """Return all that a session puts out, by stream."""
    found: dict[int, bytes] = {1: b"", 2: b""}
    async with asyncio.timeout(timeout_s):
        async for stream, data in process.output():
            found[stream] += data
    return found[1], found[2]


async def until(process: Process, wanted: bytes, timeout_s: float = 20) -> bytes:
    """Return what a session puts out until `wanted` is in it."""
    found = b""
    async with asyncio.timeout(timeout_s):
        output = process.output()
        while wanted not in found:
            found += (await anext(output))[1]
    return found


@contextlib.asynccontextmanager
async def scene(root: Path, **settings: Any) -> AsyncIterator[Scene]:
    """Open a runtime below `root`; at the end stop all its sandboxes and look for leftovers."""
    prefix = f"t{uuid.uuid4().hex[:8]}"
    wanted = OciSettings(root, cgroup_root=f"/roost-test-{prefix}", **settings)
    runtime = await OciRuntime.open(wanted, RealClock())
    archive = busybox_image().docker_archive(root / "busybox.tar", "busybox:latest")
    [image] = await runtime.load_image(str(archive))
    here = Scene(runtime, wanted, image, prefix)
    try:
        yield here
    finally:
        for status in await here.runtime.recover():
            await here.runtime.stop_sandbox(status.id)
        await here.runtime.close()
    left = leftovers(root, prefix)
    assert left == [], left


def leftovers(root: Path, prefix: str) -> list[str]:
    """Return every mount, cgroup, process, record and runtime state that is still there."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found = [line for line in mounts if str(root) in line]
    found += [
        path for path, folders, _ in os.walk("/sys/fs/cgroup") for name in folders if prefix in name
    ]
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                command = (folder / "cmdline").read_bytes().decode("utf-8", "replace")
                if prefix in command and "pytest" not in command:
                    found.append(command)
    found += [str(path) for path in [Path("oom")] if path.exists()]  # where conmon was started
    for name in ("containers", "sandboxes", "state"):
        found += [str(path) for path in (root / "oci" / name).iterdir()]
    return found
