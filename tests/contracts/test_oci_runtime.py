"""The OCI runtime keeps the contract of all runtimes, on this machine's real kernel."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from container_scene import RealClock, leftovers
from contracts.runtime_contract import Bench, RuntimeContract
from images import busybox_image
from roost.runtimes.oci.runtime import OciRuntime, OciSettings
from roost.runtimes.port import (
    ContainerSpec,
    ContainerStatus,
    Image,
    Process,
    RuntimeInfo,
    SandboxSpec,
)

pytestmark = pytest.mark.root

_IMAGE = "busybox:latest"


class OpenedLater:
    """An OciRuntime that is opened by its first use, as the contract makes runtimes without a loop."""

    def __init__(self, settings: OciSettings) -> None:
        self._settings = settings
        self.opened: OciRuntime | None = None

    async def _runtime(self) -> OciRuntime:
        if self.opened is None:
            self.opened = await OciRuntime.open(self._settings, RealClock())
            if await self.opened.find_image(_IMAGE) is None:
                archive = self._settings.root / "busybox.tar"
                await self.opened.load_image(str(busybox_image().docker_archive(archive, _IMAGE)))
        return self.opened

    def describe(self) -> RuntimeInfo:
        assert self.opened is not None
        return self.opened.describe()

    def events(self) -> AsyncIterator[list[ContainerStatus]]:
        assert self.opened is not None
        return self.opened.events()

    async def start_sandbox(self, spec: SandboxSpec) -> Any:
        return await (await self._runtime()).start_sandbox(spec)

    async def stop_sandbox(self, sandbox_id: str) -> None:
        await (await self._runtime()).stop_sandbox(sandbox_id)

    async def start_container(self, spec: ContainerSpec) -> ContainerStatus:
        return await (await self._runtime()).start_container(spec)

    async def stop_container(self, container_id: str, grace_s: float) -> None:
        await (await self._runtime()).stop_container(container_id, grace_s)

    async def remove_container(self, container_id: str) -> None:
        await (await self._runtime()).remove_container(container_id)

    async def recover(self) -> Any:
        return await (await self._runtime()).recover()

    async def exec(
        self, container_id: str, argv: tuple[str, ...], *, tty: bool, stdin: bool
    ) -> Process:
        return await (await self._runtime()).exec(container_id, argv, tty=tty, stdin=stdin)

    async def find_image(self, reference: str) -> Image | None:
        return await (await self._runtime()).find_image(reference)


class TestOciRuntime(RuntimeContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def bench(self) -> Bench:
        prefix = f"c{uuid.uuid4().hex[:8]}"
        settings = OciSettings(self.folder, cgroup_root=f"/roost-test-{prefix}")
        made: list[OpenedLater] = []

        def make() -> OpenedLater:
            made.append(OpenedLater(settings))
            return made[-1]

        def run(test: Coroutine[Any, Any, None]) -> None:
            async def main() -> None:
                try:
                    await test
                finally:
                    for runtime in made:
                        if runtime.opened is not None:
                            await runtime.opened.close()

            asyncio.run(main())
            left = leftovers(self.folder, prefix)
            assert left == [], left

        logs = str(self.folder / "logs")
        sandbox = SandboxSpec(f"{prefix}-box", "web", "default", "uid-1", "web", logs)
        return Bench(make(), make, sandbox, _IMAGE, logs, run)
