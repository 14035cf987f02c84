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
    put(pod, cpu__max="", memory__max="", pids__max="")
    cgroups.make_pod("pod", Limits())
    assert content(pod, "cpu.max", "memory.max", "pids.max") == ["max", "max", "max"]


def test_readings_on_v2(tmp_path: Path) -> None:
    cgroups = Cgroups("/roost", CgroupLayout("v2", {}, str(tmp_path)))
    assert cgroups.usage("c", "/roost/pod/c") is None
    put(
        tmp_path / "roost/pod/c",
        cpu__stat="usage_usec 1500000\nuser_usec 1\n",
        memory__current="1000\n",
        memory__stat="anon 600\ninactive_file 300\n",
        pids__current="3\n",
        memory__events="low 0\noom 2\noom_kill 1\noom_group_kill 0\n",
        cgroup__procs="11\n12\n",
    )
    put(tmp_path / "roost/pod/c/inner", cgroup__procs="13\n")
    assert cgroups.usage("c", "/roost/pod/c") == Usage("c", 1.5, 700, 600, 3)
    assert cgroups.oom_kills("/roost/pod/c") == 1
    assert cgroups.oom_kills("/roost/pod/other") == 0
    assert cgroups.processes("/roost/pod") == {11, 12, 13}


@pytest.fixture
def v1(tmp_path: Path) -> Cgroups:
    names = ("cpu", "cpuacct", "cpuset", "memory", "pids")
    for name in names:
        (tmp_path / name).mkdir()
    return Cgroups("roost/", CgroupLayout("v1", {name: str(tmp_path / name) for name in names}))


def test_a_pod_on_v1(tmp_path: Path, v1: Cgroups) -> None:
    put(tmp_path / "cpu/roost/pod", cpu__shares="", cpu__cfs_quota_us="", cpu__cfs_period_us="")
    put(tmp_path / "memory/roost/pod", memory__limit_in_bytes="")
    put(tmp_path / "pids/roost/pod", pids__max="")
    v1.make_pod("pod", _LIMITS)
    assert content(tmp_path / "cpu/roost/pod", "cpu.shares", "cpu.cfs_quota_us") == [
        "1024",
        "50000",
    ]
    assert content(tmp_path / "memory/roost/pod", "memory.limit_in_bytes") == ["67108864"]
    assert content(tmp_path / "pids/roost/pod", "pids.max") == ["50"]
    assert (tmp_path / "cpuacct/roost/pod").is_dir()
    assert not (tmp_path / "cpuset/roost").exists()


def test_readings_on_v1(tmp_path: Path, v1: Cgroups) -> None:
    put(tmp_path / "cpuacct/roost/pod/c", cpuacct__usage="2500000000\n")
    put(
        tmp_path / "memory/roost/pod/c",
        memory__usage_in_bytes="1000\n",
        memory__stat="rss 1\ntotal_rss 600\ntotal_inactive_file 300\n",
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    )
    put(tmp_path / "pids/roost/pod/c", pids__current="3\n", cgroup__procs="7\n")
    assert v1.usage("c", v1.path("pod", "c")) == Usage("c", 2.5, 700, 600, 3)
    assert v1.oom_kills(v1.path("pod", "c")) == 2
    assert v1.processes(v1.path("pod", "c")) == {7}


def test_removal_takes_empty_groups_everywhere(tmp_path: Path, v1: Cgroups) -> None:
    for name in ("cpu", "memory"):
        (tmp_path / name / "roost/pod/c").mkdir(parents=True)
        (tmp_path / name / "roost/_monitors").mkdir()
    v1.remove("/roost/pod")
    v1.remove("/roost/pod")
    assert (tmp_path / "cpu/roost").exists()
    v1.remove_root()
    assert [path.name for path in (tmp_path / "cpu").iterdir()] == []
