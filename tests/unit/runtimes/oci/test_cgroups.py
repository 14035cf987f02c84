"""Control groups on layouts that this machine need not have: folders stand for the kernel's."""

from __future__ import annotations

from pathlib import Path

import pytest

from roost.runtimes.oci.cgroups import Cgroups
from roost.runtimes.oci.decide import CgroupLayout
from roost.runtimes.port import Limits, Usage

_LIMITS = Limits(cpu_millis=500, cpu_request_millis=1000, memory_bytes=1 << 26, pids=50)


def put(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def content(folder: Path, *names: str) -> list[str]:
    return [(folder / name).read_text() for name in names]


def test_a_pod_on_v2(tmp_path: Path) -> None:
    cgroups = Cgroups("/roost", CgroupLayout("v2", {}, str(tmp_path)))
    pod = tmp_path / "roost/pod"
    put(tmp_path, cgroup__subtree_control="")
    put(tmp_path / "roost", cgroup__subtree_control="")
    put(pod, cpu__max="", cpu__weight="", memory__max="", pids__max="")
    cgroups.make_pod("pod", _LIMITS)
    assert content(pod, "cpu.max", "cpu.weight", "memory.max", "pids.max") == [
        *("50000 100000", "39", "67108864", "50")
    ]
    [control] = content(tmp_path / "roost", "cgroup.subtree_control")
    assert control.startswith("+pids")  # the last one written
