"""What follows from what is found of a container, and of the machine."""

from __future__ import annotations

import pytest

from roost.runtimes.oci.decide import (
    CgroupLayout,
    Facts,
    Probe,
    choose,
    cpu_quota_us,
    cpu_shares,
    cpu_weight,
    exit_reason,
    judge,
    last_error,
    mounts_with_own_group,
    read_cgroup_layout,
    refused_sysctl,
    signal_number,
    stop_signal,
)
from roost.runtimes.port import State


@pytest.mark.parametrize(
    ("facts", "state", "code", "reason"),
    [
        (Facts(alive=True, monitored=True), State.RUNNING, 0, ""),
        (Facts(alive=True, monitored=False), State.RUNNING, 0, ""),
        (Facts(alive=False, monitored=True), State.RUNNING, 0, ""),  # its exit file may yet come
        (Facts(alive=False, monitored=False), State.UNKNOWN, 255, "ContainerStatusUnknown"),
        (Facts(alive=False, monitored=False, exit_code=0), State.EXITED, 0, "Completed"),
        (Facts(alive=False, monitored=True, exit_code=3), State.EXITED, 3, "Error"),
        (
            Facts(alive=False, monitored=False, exit_code=137, oom_kills=1),
            State.EXITED,
            137,
            "OOMKilled",
        ),
        (Facts(alive=False, monitored=False, created=False), State.CREATED, 0, ""),
        (Facts(alive=True, monitored=True, waits=True), State.CREATED, 0, ""),
        (
            Facts(alive=False, monitored=False, waits=True),
            State.UNKNOWN,
            255,
            "ContainerStatusUnknown",
        ),
    ],
)
def test_states_follow_from_facts(facts: Facts, state: State, code: int, reason: str) -> None:
    verdict = judge(facts)
    assert (verdict.state, verdict.exit_code, verdict.reason) == (state, code, reason)


def test_a_success_is_no_oom_kill() -> None:
    assert exit_reason(0, 3) == "Completed"
    assert exit_reason(1, 3) == "OOMKilled"


@pytest.mark.parametrize(
    ("name", "own", "refused"),
    [
        ("net.ipv4.ip_forward", {"network"}, False),
        ("net/ipv4/ip_forward", {"ipc"}, True),
        ("kernel.shm_rmid_forced", {"ipc"}, False),
        ("fs.mqueue.msg_max", {"network", "uts"}, True),
        ("kernel.domainname", {"uts"}, False),
        ("vm.swappiness", {"network", "uts", "ipc"}, True),
        ("kernel.core_pattern", {"network", "uts", "ipc"}, True),
    ],
)
def test_sysctls_stay_inside_the_sandbox(name: str, own: set[str], refused: bool) -> None:
    assert refused_sysctl([name], frozenset(own)) == (name if refused else "")


_HYBRID = """
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:3 - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""


def test_cgroup_layouts() -> None:
    hybrid = read_cgroup_layout(_HYBRID)
    assert hybrid == CgroupLayout(
        "hybrid",
        {
            "cpu": "/sys/fs/cgroup/cpu,cpuacct",
            "cpuacct": "/sys/fs/cgroup/cpu,cpuacct",
            "memory": "/sys/fs/cgroup/memory",
            "name=systemd": "/sys/fs/cgroup/systemd",
        },
        "/sys/fs/cgroup/unified",
    )
    assert hybrid.mounts() == (
        *("/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory"),
        *("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"),
    )
    v1 = "\n".join(line for line in _HYBRID.splitlines() if "cgroup2" not in line)
    assert read_cgroup_layout(v1).mode == "v1"
    v2 = "30 23 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup rw,nsdelegate"
    assert read_cgroup_layout(v2) == CgroupLayout("v2", {}, "/sys/fs/cgroup")
    systemd_v1_only = "1 2 0:1 / /s rw - cgroup cgroup rw,name=systemd\n" + v2
    assert read_cgroup_layout(systemd_v1_only).mode == "v2"
    assert read_cgroup_layout("garbage").mode == "none"


def test_a_monitor_leaves_only_the_groups_that_are_its_agent_s() -> None:
    layout = read_cgroup_layout(_HYBRID)
    own = "9:name=systemd:/system.slice/x\n4:memory:/y\n3:cpuset:/z\n1:cpu,cpuacct:/\n0::/\n"
    assert mounts_with_own_group(layout, own) == ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/memory")
    v2 = CgroupLayout("v2", {}, "/sys/fs/cgroup")
    assert mounts_with_own_group(v2, "0::/system.slice/roost.service\n") == ("/sys/fs/cgroup",)


def test_cpu_numbers_are_the_kubelet_s() -> None:
    assert [cpu_shares(millis) for millis in (None, 0, 1, 100, 1000, 10**9)] == [
        2,
        2,
        2,
        102,
        1024,
        262144,
    ]
    assert [cpu_weight(shares) for shares in (2, 1024, 262144)] == [1, 39, 10000]
    assert [cpu_quota_us(millis, 100_000) for millis in (None, 0, 1, 500, 2000)] == [
        *(None, None, 1000, 50_000, 200_000)
    ]


@pytest.mark.parametrize(
    ("name", "number"),
    [
        *(
            ("SIGTERM", 15),
            ("term", 15),
            ("9", 9),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
            ("SIGRTMIN", 34),
        ),
        *(
            ("SIGNOPE", None),
            ("0", None),
            ("65", None),
            ("", None),
            ("RTMIN+99", None),
            ("RTMINx", None),
        ),
    ],
)
def test_signals(name: str, number: int | None) -> None:
    assert signal_number(name) == number


def test_the_stop_signal_is_the_first_that_exists() -> None:
    assert stop_signal("", "SIGQUIT") == 3
    assert stop_signal("SIGUSR1", "SIGQUIT") == 10
    assert stop_signal("", "nonsense") == 15


def test_the_first_runtime_that_works_is_chosen() -> None:
    good, bad = (
        Probe("crun", "/usr/bin/crun", "1.8"),
        Probe("runc", "/usr/sbin/runc", "1.1", "no cgroups"),
    )
    assert choose([bad, good], "v2") == good
    assert choose([bad, Probe("crun", "", "", "is not installed")], "hybrid") == (
        "no container runtime works here (cgroups: hybrid); runc: no cgroups; crun: is not installed"
    )


@pytest.mark.parametrize(
    ("log", "error"),
    [
        (b"", ""),
        (b'{"level":"warning","msg":"old kernel"}\n', ""),
        (
            b'{"level":"error","msg":"one"}\n{"level":"fatal","msg":"two"}\n{"level":"info"}\n',
            "two",
        ),
        (b'no JSON\n[]\n{"level":"error","msg":"said"}\n{"level":"err', "said"),
    ],
)
def test_the_last_error_in_a_log(log, error):
    assert last_error(log) == error
