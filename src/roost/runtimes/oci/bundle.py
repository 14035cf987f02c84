"""The folder that an OCI runtime makes a container from: its root, its volumes, its document."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from roost.api.values import Object
from roost.runtimes import syscalls
from roost.runtimes.images.config import ImageConfig
from roost.runtimes.oci import processes
from roost.runtimes.oci.host import Host, host_devices
from roost.runtimes.oci.overlay import mount_overlay
from roost.runtimes.oci.records import ContainerRecord, Folder
from roost.runtimes.oci.sandboxes import Shared
from roost.runtimes.oci.spec import Surroundings, runtime_spec
from roost.runtimes.oci.users import resolve
from roost.runtimes.port import ContainerSpec, Mount, RuntimeFault, SandboxSpec


@dataclass(frozen=True, slots=True)
class Order:
    """All that a container is made from."""

    spec: ContainerSpec
    sandbox: SandboxSpec
    shared: Shared
    image: ImageConfig
    lowers: tuple[Path, ...]


async def make_bundle(host: Host, order: Order, folder: Folder, record: ContainerRecord) -> None:
    """Write the record, then all that a container needs. Raises RuntimeFault, OSError."""
    await host.in_thread(lambda: _prepare(order, folder, record))
    volumes = await _volumes(host, order, folder)
    await host.in_thread(lambda: _write_spec(host, order, folder, volumes))


def _prepare(order: Order, folder: Folder, record: ContainerRecord) -> None:
    folder.path.mkdir(exist_ok=True, mode=0o700)
    folder.write_record(record)
    (folder.path / "exit").mkdir(exist_ok=True, mode=0o700)
    if order.spec.log_path:
        Path(order.spec.log_path).parent.mkdir(parents=True, exist_ok=True)
    at = folder.path
    mount_overlay(order.lowers, at / "upper", at / "work", at / "rootfs")


def _write_spec(host: Host, order: Order, folder: Folder, volumes: tuple[Mount, ...]) -> None:
    rootfs = folder.file("rootfs")
    spec, sandbox = order.spec, order.sandbox
    whose = (
        f'(pod: "{sandbox.pod_name}_{sandbox.pod_namespace}({sandbox.pod_uid})", '
        f"container: {spec.name})"
    )
    passwd, group = (
        syscalls.read_in_root(rootfs, name).decode("utf-8", "replace")
        for name in ("etc/passwd", "etc/group")
    )
    identity = resolve(spec.security, order.image.user, passwd, group, whose)
    around = Surroundings(
        rootfs=rootfs,
        cgroup=host.cgroups.path(spec.sandbox_id, spec.id),
        shm=order.shared.shm,
        cgroup_mode=host.cgroups.layout.mode,
        architecture=host.architecture,
        uts=order.shared.uts,
        ipc=order.shared.ipc,
        pid=order.shared.pid,
        volumes=volumes,
        devices=host_devices() if spec.security.privileged else (),
        capabilities=host.capabilities,
        open_files=host.open_files,
        lowest_oom_score=host.lowest_oom_score,
    )
    document: Object = runtime_spec(spec, sandbox, order.image, identity, around)
    fd = os.open(
        folder.file("config.json"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
    )
    with os.fdopen(fd, "wb") as file:
        file.write(msgspec.json.encode(document))


async def _volumes(host: Host, order: Order, folder: Folder) -> tuple[Mount, ...]:
    """Return the image's volumes that the spec mounts nothing over, with the image's content."""
    covered = {mount.target.rstrip("/") for mount in order.spec.mounts}
    wanted = [path for path in order.image.volumes if path.rstrip("/") not in covered]
    mounts = []
    for number, target in enumerate(wanted):
        source = folder.path / "volumes" / str(number)
        source.mkdir(parents=True, exist_ok=True)
        source.chmod(0o755)
        await _fill(host, folder.file("rootfs"), target, source)
        mounts.append(Mount(str(source), target))
    return tuple(mounts)


async def _fill(host: Host, rootfs: str, path: str, target: Path) -> None:
    root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = syscalls.open_in_root(root, path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return  # the image names a volume that it has nothing in
    finally:
        os.close(root)
    try:
        async with host.slots:
            copied = await processes.run(
                ["cp", "-a", "--", f"/proc/{os.getpid()}/fd/{fd}/.", str(target)],
                timeout_s=600.0,
            )
    finally:
        os.close(fd)
    if copied.code != 0:
        raise RuntimeFault("CreateContainerError", f"volume {path}: {copied.output[-300:]}")
