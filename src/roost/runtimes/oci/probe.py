"""Which OCI runtime works on this machine: found out by running a container, not by reading versions.

The trial container is `true` over the machine's own programs, read-only. The same small bundle, with a
program that waits, also holds the process namespace of pods that share one.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from roost.api.values import Object
from roost.runtimes.oci import processes
from roost.runtimes.oci.cgroups import Cgroups
from roost.runtimes.oci.decide import Probe, choose
from roost.runtimes.oci.monitor import Programs
from roost.runtimes.oci.overlay import try_overlay
from roost.runtimes.port import RuntimeFault

_TRIAL_S = 20.0
_MEMORY_FOLDER = "/run"
_TOOL_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "nix/store", "gnu/store")
_MESSAGE = re.compile(r'msg="((?:[^"\\]|\\.)*)"')  # in runc's log lines
_NOBODY = 65534
_MEMORY_BYTES = 64 << 20


def tools_bundle(folder: Path, argv: Sequence[str], cgroup: str, namespaces: list[Object]) -> None:
    """Write a bundle that runs one of the machine's own programs with no rights to speak of."""
    root = folder / "tools"
    root.mkdir(parents=True, exist_ok=True, mode=0o755)
    mounts = _tool_mounts(root)
    document = {
        "ociVersion": "1.0.2",
        "process": {
            "args": list(argv),
            "cwd": "/",
            "env": ["PATH=/usr/bin:/bin"],
            "user": {"uid": _NOBODY, "gid": _NOBODY},
            "capabilities": {},
            "noNewPrivileges": True,
        },
        "root": {"path": str(root), "readonly": True},
        "mounts": mounts,
        "linux": {
            "cgroupsPath": cgroup,
            "namespaces": [{"type": "mount"}, *namespaces],
            # Limits, so that a machine whose cgroups cannot set any is found out here.
            "resources": {
                "devices": [{"allow": False, "access": "rwm"}],
                "cpu": {"shares": 2},
                "memory": {"limit": _MEMORY_BYTES},
                "pids": {"limit": 16},
            },
        },
    }
    (folder / "config.json").write_bytes(msgspec.json.encode(document))


def _tool_mounts(root: Path) -> list[Object]:
    """Return the mounts of the machine's programs, having made its links in `root`."""
    mounts: list[Object] = [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"]},
        {
            "destination": "/dev",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "mode=755"],
        },
    ]
    for name in _TOOL_FOLDERS:
        source = Path("/", name)
        if source.is_symlink():
            (root / name).unlink(missing_ok=True)
            (root / name).symlink_to(source.readlink())
        elif source.is_dir():
            options = ["rbind", "rprivate", "ro", "nosuid", "nodev"]
            mounts.append(
                {
                    "destination": f"/{name}",
                    "type": "bind",
                    "source": f"/{name}",
                    "options": options,
                }
            )
    return mounts


async def find_programs(
    root: Path, candidates: Sequence[str], cgroups: Cgroups
) -> tuple[Programs, Probe]:
    """Return the programs that work here, trying `candidates` in order.

    Raises RuntimeFault (RuntimeUnavailable) with one line that says why none does.
    """
    mode = cgroups.layout.mode
    if os.geteuid() != 0:
        raise RuntimeFault("RuntimeUnavailable", "containers need root on this node")
    wrong_place = try_overlay(root)
    if wrong_place:
        raise RuntimeFault("RuntimeUnavailable", wrong_place)
    conmon = shutil.which("conmon", path=processes.BARE_ENVIRONMENT["PATH"])
    if conmon is None:
        raise RuntimeFault("RuntimeUnavailable", "conmon is not installed")
    probes = []
    for name in candidates:
        probe = await _try(root, name, cgroups)
        probes.append(probe)
        if not probe.fault:
            break
    chosen = choose(probes, mode)
    if isinstance(chosen, str):
        raise RuntimeFault("RuntimeUnavailable", chosen)
    return Programs(conmon, chosen.path, str(root / "state")), chosen


async def _try(root: Path, name: str, cgroups: Cgroups) -> Probe:
    path = shutil.which(name, path=processes.BARE_ENVIRONMENT["PATH"])
    if path is None:
        return Probe(name, "", "", "is not installed")
    version = (await processes.run([path, "--version"])).output.partition("\n")[0].split()
    identity = f"roost-probe-{os.getpid()}"
    folder = _trial_folder(root)
    cgroup = cgroups.path(identity)
    tools_bundle(folder, ["true"], cgroup, [{"type": "pid"}, {"type": "network"}])
    state = ["--root", str(folder / "state")]
    try:
        ended = await processes.run(
            [path, *state, "run", "--bundle", str(folder), identity], timeout_s=_TRIAL_S
        )
        fault = "" if ended.code == 0 else _last_words(ended.output, ended.code)
    except TimeoutError:
        fault = "a trial container did not end"
    finally:
        await processes.run([path, *state, "delete", "--force", identity])
        cgroups.remove(cgroup)
        cgroups.remove_root()
        shutil.rmtree(folder, ignore_errors=True)
    return Probe(name, path, version[-1] if version else "", fault)


def _trial_folder(root: Path) -> Path:
    """Return where to put a trial container: in memory, if there is such a place, for a node must
    find its runtime on a full disk too, to stop what fills it. The same one each time."""
    name = hashlib.sha256(str(root).encode()).hexdigest()[:12]
    folder = Path(_MEMORY_FOLDER, f"roost-probe-{name}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return root / "probe"
    return folder


def _last_words(output: str, code: int) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    if not lines:
        return f"exit code {code}"
    message = _MESSAGE.search(lines[-1])
    return (message[1].replace('\\"', '"') if message else lines[-1])[:300]
