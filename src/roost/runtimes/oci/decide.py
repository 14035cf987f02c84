"""What follows from what is found: states, exit reasons, cgroup layouts, signals, limits. Pure.

A container's state is never stored: it follows from its record and from facts (does the process live, is
there an exit file, did the runtime get as far as starting it), so that a crash at any instant leaves
nothing that contradicts the world.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from roost.runtimes.port import State

# ---------------------------------------------------------------------- states


@dataclass(frozen=True, slots=True)
class Facts:
    """What can be seen of a container.

    `created`: its processes exist or existed; `waits`: the runtime has not let it run its program yet.
    """

    alive: bool
    monitored: bool
    created: bool = True
    waits: bool = False
    exit_code: int | None = None
    oom_kills: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a container is, then."""

    state: State
    exit_code: int = 0
    reason: str = ""
    message: str = ""


_LOST = "The container's monitor ended before it; nobody can say how the container ended"


def judge(facts: Facts) -> Verdict:
    """Return the state that follows from `facts`.

    An exit code is final. A live process runs, watched or not. While a monitor lives its exit file may
    still come, so the container is not over before both have ended.
    """
    if facts.exit_code is not None:
        return Verdict(State.EXITED, facts.exit_code, exit_reason(facts.exit_code, facts.oom_kills))
    if not facts.created or (facts.waits and facts.alive):
        return Verdict(State.CREATED)
    if facts.alive or facts.monitored:
        return Verdict(State.RUNNING)
    return Verdict(State.UNKNOWN, 255, "ContainerStatusUnknown", _LOST)


def exit_reason(code: int, oom_kills: int) -> str:
    """Return the reason that a container's status shows for its end."""
    if code == 0:
        return "Completed"
    return "OOMKilled" if oom_kills else "Error"


# ---------------------------------------------------------------------- cgroups


@dataclass(frozen=True, slots=True)
class CgroupLayout:
    """Where this machine's cgroup hierarchies are: "v1", "hybrid" or "v2"; "none" has neither."""

    mode: str
    v1: Mapping[str, str] = field(default_factory=dict)  # controller or name=...: mount point
    v2: str = ""  # mount point of the unified hierarchy, "" if it is not mounted

    def mounts(self) -> tuple[str, ...]:
        """Return every hierarchy's mount point, once."""
        return tuple(dict.fromkeys([*self.v1.values(), *([self.v2] if self.v2 else [])]))


_CONTROLLER_NAMES = """
cpu cpuacct cpuset memory devices freezer blkio pids net_cls net_prio perf_event hugetlb rdma misc
"""
_CONTROLLERS = frozenset(_CONTROLLER_NAMES.split())


def read_cgroup_layout(mountinfo: str) -> CgroupLayout:
    """Read the layout from the text of /proc/self/mountinfo."""
    v1: dict[str, str] = {}
    v2 = ""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        left, right = before.split(), after.split()
        if len(left) < 5 or len(right) < 3:
            continue
        if right[0] == "cgroup2":
            v2 = v2 or left[4]
        elif right[0] == "cgroup":
            for option in right[2].split(","):
                if option in _CONTROLLERS or option.startswith("name="):
                    v1.setdefault(option, left[4])
    if v1.keys() & _CONTROLLERS:
        return CgroupLayout("hybrid" if v2 else "v1", v1, v2)
    return CgroupLayout("v2", {}, v2) if v2 else CgroupLayout("none")


def mounts_with_own_group(layout: CgroupLayout, cgroup: str) -> tuple[str, ...]:
    """Return the hierarchies in which a process with this /proc/<pid>/cgroup is not at the root.

    cpuset is left out: a new group there takes no process before it has been given processors.
    """
    found = []
    for line in cgroup.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        names = controllers.split(",")
        if path not in {"/", ""} and "cpuset" not in names:
            found.append(layout.v2 if number == "0" else layout.v1.get(names[0], ""))
    return tuple(dict.fromkeys(filter(None, found)))


def cpu_shares(request_millis: int | None) -> int:
    """Return the cpu.shares of a request, as the kubelet computes them."""
    return min(262_144, max(2, (request_millis or 0) * 1024 // 1000))


def cpu_weight(shares: int) -> int:
    """Return the cpu.weight (v2) of cpu.shares (v1)."""
    return 1 + (shares - 2) * 9999 // 262_142


def cpu_quota_us(limit_millis: int | None, period_us: int) -> int | None:
    """Return the CFS quota of a limit, None for no limit; the kernel takes no less than 1 ms."""
    if not limit_millis:
        return None
    return max(1000, limit_millis * period_us // 1000)


# ---------------------------------------------------------------------- sysctls

_SYSCTLS = (
    ("net.", "network"),
    ("kernel.shm", "ipc"),
    ("kernel.msg", "ipc"),
    ("kernel.sem", "ipc"),
    ("fs.mqueue.", "ipc"),
    ("kernel.domainname", "uts"),
)


def sysctl_namespace(name: str) -> str:
    """Return the kind of namespace that a sysctl belongs to, "" if it is the whole machine's."""
    dotted = name.replace("/", ".")
    return next((kind for prefix, kind in _SYSCTLS if dotted.startswith(prefix)), "")


def refused_sysctl(names: Iterable[str], own: frozenset[str]) -> str:
    """Return the first sysctl that would reach beyond a sandbox with these namespaces of its own."""
    return next((name for name in names if sysctl_namespace(name) not in own), "")


# ---------------------------------------------------------------------- signals

#: In the order of their numbers, from 1.
_SIGNAL_NAMES = """
HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN
TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS
"""
SIGNALS: Mapping[str, int] = {name: number for number, name in enumerate(_SIGNAL_NAMES.split(), 1)}
SIGTERM = SIGNALS["TERM"]
_FIRST_REALTIME, _LAST_REALTIME = 34, 64


def signal_number(name: str) -> int | None:
    """Return the number of "SIGTERM", "term", "15", "SIGRTMIN+3"; None if there is no such signal."""
    text = name.strip().upper().removeprefix("SIG")
    if text.isdigit():
        return int(text) if 0 < int(text) <= _LAST_REALTIME else None
    for prefix, base, sign in (("RTMIN", _FIRST_REALTIME, 1), ("RTMAX", _LAST_REALTIME, -1)):
        if text.startswith(prefix):
            rest = text.removeprefix(prefix).lstrip("+-")
            if rest and not rest.isdigit():
                return None
            number = base + sign * int(rest or 0)
            return number if _FIRST_REALTIME <= number <= _LAST_REALTIME else None
    return SIGNALS.get(text)


def stop_signal(*wishes: str) -> int:
    """Return the first signal of `wishes` that exists, else SIGTERM."""
    numbers = (signal_number(wish) for wish in wishes if wish)
    return next((number for number in numbers if number), SIGTERM)


# ---------------------------------------------------------------------- choice of runtime


def last_error(log: bytes) -> str:
    """Return the last error in an OCI runtime's log, which is lines of JSON; "" if there is none."""
    said = ""
    for line in log.splitlines():
        with contextlib.suppress(msgspec.DecodeError, AttributeError):
            entry = msgspec.json.decode(line)
            if entry.get("level") in {"error", "fatal"}:
                said = str(entry.get("msg", said))
    return said


@dataclass(frozen=True, slots=True)
class Probe:
    """How a trial container went: `fault` is "" if it ran."""

    runtime: str
    path: str
    version: str
    fault: str = ""


def choose(probes: Iterable[Probe], mode: str) -> Probe | str:
    """Return the first runtime that works, else one line that says why none does."""
    tried = []
    for probe in probes:
        if not probe.fault:
            return probe
        tried.append(f"{probe.runtime}: {probe.fault}")
    return f"no container runtime works here (cgroups: {mode}); " + "; ".join(
        tried or ["none tried"]
    )
