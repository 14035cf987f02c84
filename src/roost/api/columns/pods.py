"""The columns of pods: what a pod is doing, in one word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from roost.api.columns.cells import AGE, NAME, NONE, described, duration_text, get, seconds_of
from roost.api.kind import Column
from roost.api.values import Object

_UNREACHABLE = "NodeLost"
_TERMINAL = {"Failed", "Succeeded"}


@dataclass(slots=True)
class _Summary:
    """What a walk over a pod's containers found out."""

    reason: str
    ready: int = 0
    total: int = 0
    restarts: int = 0
    last_restart: float = 0.0

    def restarted(self, status: Object) -> None:
        self.restarts += status.get("restartCount") or 0
        finished = seconds_of(get(status, "lastState", "terminated", "finishedAt"))
        if finished is not None and finished > self.last_restart:
            self.last_restart = finished


def _is_true(status: Object, kind: str) -> bool:
    return any(
        c.get("type") == kind and c.get("status") == "True" for c in status.get("conditions") or ()
    )


def _ended(terminated: Object) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode') or 0}"


def _summary(pod: Object) -> _Summary:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    found = _Summary(status.get("reason") or status.get("phase") or "")
    for item in status.get("conditions") or ():
        if item.get("type") == "PodScheduled" and item.get("reason") == "SchedulingGated":
            found.reason = "SchedulingGated"
    init = {c.get("name"): c for c in spec.get("initContainers") or ()}
    sidecars = {name for name, c in init.items() if c.get("restartPolicy") == "Always"}
    found.total = len(spec.get("containers") or ()) + len(sidecars)
    only_sidecars = _Summary("")
    initializing = _look_at_init(found, only_sidecars, status, sidecars, len(init))
    if not initializing or _is_true(status, "Initialized"):
        found.restarts = only_sidecars.restarts
        found.last_restart = only_sidecars.last_restart
        _look_at_main(found, status)
    if get(pod, "metadata", "deletionTimestamp"):
        if status.get("reason") == _UNREACHABLE:
            found.reason = "Unknown"
        elif status.get("phase") not in _TERMINAL:
            found.reason = "Terminating"
    return found


def _look_at_init(
    found: _Summary, only_sidecars: _Summary, status: Object, sidecars: set[Any], total: int
) -> bool:
    """Take in the init containers up to the one that runs; return whether one does."""
    for index, container in enumerate(status.get("initContainerStatuses") or ()):
        found.restarted(container)
        sidecar = container.get("name") in sidecars
        if sidecar:
            only_sidecars.restarted(container)
        terminated = get(container, "state", "terminated")
        waiting = get(container, "state", "waiting", "reason")
        if terminated is not None and not terminated.get("exitCode"):
            continue
        if sidecar and container.get("started"):
            found.ready += bool(container.get("ready"))
            continue
        if terminated is not None:
            found.reason = "Init:" + _ended(terminated)
        elif waiting and waiting != "PodInitializing":
            found.reason = f"Init:{waiting}"
        else:
            found.reason = f"Init:{index}/{total}"
        return True
    return False


def _look_at_main(found: _Summary, status: Object) -> None:
    running = False
    for container in reversed(status.get("containerStatuses") or ()):
        found.restarted(container)
        state = container.get("state") or {}
        if get(state, "waiting", "reason"):
            found.reason = state["waiting"]["reason"]
        elif state.get("terminated") is not None:
            found.reason = _ended(state["terminated"])
        elif container.get("ready") and state.get("running") is not None:
            running = True
            found.ready += 1
    if found.reason == "Completed" and running:
        found.reason = "Running" if _is_true(status, "Ready") else "NotReady"


def _ready(pod: Object, _: float) -> str:
    found = _summary(pod)
    return f"{found.ready}/{found.total}"


def _status(pod: Object, _: float) -> str:
    return _summary(pod).reason


def _restarts(pod: Object, now: float) -> str:
    found = _summary(pod)
    if not found.restarts or not found.last_restart:
        return str(found.restarts)
    return f"{found.restarts} ({duration_text(now - found.last_restart)} ago)"


def _ip(pod: Object, _: float) -> str:
    ips = get(pod, "status", "podIPs") or ()
    return (ips[0].get("ip") if ips else "") or NONE


def _node(pod: Object, _: float) -> str:
    return get(pod, "spec", "nodeName") or NONE


def _nominated_node(pod: Object, _: float) -> str:
    return get(pod, "status", "nominatedNodeName") or NONE


def _gates(pod: Object, _: float) -> str:
    gates = get(pod, "spec", "readinessGates") or ()
    if not gates:
        return NONE
    status = pod.get("status") or {}
    return f"{sum(_is_true(status, g.get('conditionType')) for g in gates)}/{len(gates)}"


PODS = (
    NAME,
    Column("Ready", _ready,
           description="The aggregate readiness state of this pod for accepting traffic."),
    Column("Status", _status,
           description="The aggregate status of the containers in this pod."),
    Column("Restarts", _restarts,
           description="The number of times the containers in this pod have been restarted and "
           "when the last container in this pod has restarted."),
    AGE,
    Column("IP", _ip, priority=1, description=described("core.v1.PodStatus.podIP")),
    Column("Node", _node, priority=1, description=described("core.v1.PodSpec.nodeName")),
    Column("Nominated Node", _nominated_node, priority=1,
           description=described("core.v1.PodStatus.nominatedNodeName")),
    Column("Readiness Gates", _gates, priority=1,
           description=described("core.v1.PodSpec.readinessGates")),
)  # fmt: skip

_COMPLETED = {
    "Succeeded": "The pod has completed successfully.",
    "Failed": "The pod failed.",
}


def row_conditions(pod: Object) -> list[Object]:
    """Return the conditions of a pod's row: clients may hide pods that are done."""
    phase = get(pod, "status", "phase")
    if phase not in _COMPLETED:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": _COMPLETED[phase]}]
