"""The status of a pod as the API shall show it, and the patch that brings it there. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from roost.api.values import Object
from roost.decisions.meta import stamp
from roost.node import podspec, resources, restarts
from roost.node.conditions import PASSING, conditions, is_ready, phase
from roost.node.facts import ContainerFacts, Fault, ImageFacts, PodFacts, PodState, Seen
from roost.node.podspec import LISTS, Role
from roost.node.progress import has_started
from roost.runtimes.port import State

_LOST = "The container could not be located when the pod was terminated"


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """What of the node a pod's status shows."""

    host_ips: tuple[str, ...]
    runtime_name: str  # the scheme of container ids


def pod_status(pod: Object, facts: PodFacts, now: float, node: NodeAddress) -> Object:
    """Return the whole status, but for conditions that others own."""
    if facts.verdict is not None and not facts.admitted:
        return _rejected(pod, facts, node)
    status: Object = {
        "phase": phase(pod, facts),
        "conditions": conditions(pod, facts, now),
        "hostIP": node.host_ips[0],
        "hostIPs": [{"ip": ip} for ip in node.host_ips],
        "startTime": stamp(facts.started_at),
        "qosClass": resources.qos_class(pod),
    }
    generation = pod["metadata"].get("generation")
    if generation:
        status["observedGeneration"] = generation
    if facts.verdict is not None:
        status["reason"] = facts.verdict.reason
        status["message"] = facts.verdict.message
    ips = _pod_ips(pod, facts, node)
    if ips:
        status["podIP"] = ips[0]
        status["podIPs"] = [{"ip": ip} for ip in ips]
    for role, container in podspec.containers(pod):
        one = container_status(pod, facts, role, container, now, node.runtime_name)
        status.setdefault(LISTS[role][1], []).append(one)
    return status


def _rejected(pod: Object, facts: PodFacts, node: NodeAddress) -> Object:
    status: Object = {
        "phase": "Failed",
        "hostIP": node.host_ips[0],
        "hostIPs": [{"ip": ip} for ip in node.host_ips],
        "startTime": stamp(facts.started_at),
        "qosClass": resources.qos_class(pod),
    }
    if facts.verdict is not None:
        status["reason"] = facts.verdict.reason
        status["message"] = facts.verdict.message
    generation = pod["metadata"].get("generation")
    if generation:
        status["observedGeneration"] = generation
    return status


def _pod_ips(pod: Object, facts: PodFacts, node: NodeAddress) -> list[str]:
    if podspec.host_network(pod):
        return list(node.host_ips) if facts.sandbox or _known_ips(pod) else []
    if facts.sandbox is not None and facts.sandbox.ip:
        return [facts.sandbox.ip]
    # A pod may end before the API was told of its address.
    return _known_ips(pod) or ([facts.last_ip] if facts.last_ip else [])


def _known_ips(pod: Object) -> list[str]:
    return [one["ip"] for one in (pod.get("status") or {}).get("podIPs") or ()]


def container_status(
    pod: Object,
    facts: PodFacts,
    role: Role,
    container: Object,
    now: float,
    runtime_name: str,
) -> Object:
    """Return the ContainerStatus of one container."""
    known = facts.container(container["name"])
    seen = known.seen
    state, last = _states(pod, facts, role, container, now, runtime_name)
    status: Object = {
        "name": container["name"],
        "state": state,
        "lastState": last,
        "ready": is_ready(role, container, known),
        "restartCount": seen.attempt if seen is not None else 0,
        "image": (seen.image if seen is not None else "") or container.get("image", ""),
        "imageID": _image_reference(known),
        "started": has_started(container, known),
    }
    if seen is not None and seen.id:
        status["containerID"] = f"{runtime_name}://{seen.id}"
    wanted = container.get("resources")
    if wanted is not None and role is not Role.EPHEMERAL:
        actual = known.applied if known.running and known.applied is not None else wanted
        allocated = actual if facts.resize is not None else wanted
        status["resources"] = actual
        if allocated.get("requests"):
            status["allocatedResources"] = allocated["requests"]
    mounts = [
        {
            "name": mount["name"],
            "mountPath": mount["mountPath"],
            **(
                {"readOnly": True, "recursiveReadOnly": "Disabled"} if mount.get("readOnly") else {}
            ),
        }
        for mount in container.get("volumeMounts") or ()
    ]
    if mounts:
        status["volumeMounts"] = mounts
    return status


def _image_reference(known: ContainerFacts) -> str:
    if known.seen is None:
        return ""  # of a container that is to be: as the kubelet says nothing either
    image = known.image
    if image is not None and image.reference:
        return image.reference
    return known.seen.image_id


def _states(
    pod: Object, facts: PodFacts, role: Role, container: Object, now: float, runtime_name: str
) -> tuple[Object, Object]:
    """Return (state, lastState)."""
    known = facts.container(container["name"])
    seen = known.seen
    last = _terminated(known.last, runtime_name) if known.last is not None else {}
    if seen is not None and seen.state is State.RUNNING:
        return {"running": {"startedAt": stamp(seen.started_at)}}, last
    if seen is None or seen.live:
        return {"waiting": _waiting(pod, facts, container)}, last
    if facts.state in {PodState.PENDING, PodState.SYNCING} and restarts.restarts(
        pod, role, container, seen
    ):
        waiting = _waiting_to_restart(pod, container, known, now)
        if waiting is not None:
            return {"waiting": waiting}, _terminated(seen, runtime_name)
    return _terminated(seen, runtime_name), last


def _terminated(seen: Seen, runtime_name: str) -> Object:
    body: Object = {
        "exitCode": seen.exit_code,
        "reason": seen.reason or ("Completed" if seen.exit_code == 0 else "Error"),
        "startedAt": stamp(seen.started_at),
        "finishedAt": stamp(seen.finished_at),
        "containerID": f"{runtime_name}://{seen.id}",
    }
    if seen.state is State.UNKNOWN:
        body.update(exitCode=137, reason="ContainerStatusUnknown", message=_LOST)
    if seen.message:
        body["message"] = seen.message
    return {"terminated": body}


def _reason(reason: str, message: str = "") -> Object:
    return {"reason": reason, "message": message} if message else {"reason": reason}


def _waiting(pod: Object, facts: PodFacts, container: Object) -> Object:
    known = facts.container(container["name"])
    fault = _fault(known, container)
    if fault is not None:
        return fault
    return _reason("PodInitializing" if podspec.init_containers(pod) else "ContainerCreating")


def _fault(known: ContainerFacts, container: Object) -> Object | None:
    image: ImageFacts | None = known.image
    if image is not None and image.attempt == known.next_attempt and image.fault is not None:
        return _image_fault(image.fault, container)
    if known.fault is not None:
        return _reason(known.fault.reason, known.fault.message)
    return None


def _image_fault(fault: Fault, container: Object) -> Object:
    if not fault.announced:
        return _reason(fault.reason, fault.message)
    message = f'Back-off pulling image "{container.get("image")}": {fault.reason}: {fault.message}'
    return _reason("ImagePullBackOff", message)


def _waiting_to_restart(
    pod: Object, container: Object, known: ContainerFacts, now: float
) -> Object | None:
    """Return why an ended container is not running again yet; None when it is about to be."""
    if restarts.restart_at(known) > now and known.back_off is not None:
        message = (
            f"back-off {_go_duration(known.back_off.delay_s)} restarting failed "
            f"container={container['name']} pod={podspec.full_name(pod)}"
        )
        return _reason("CrashLoopBackOff", message)
    return _fault(known, container)


def _go_duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def status_patch(pod: Object, status: Object) -> Object | None:
    """Return the strategic merge patch from the pod's status to `status`; None: nothing changed.

    The patch is guarded by the pod's uid: a namesake must not get this pod's status.
    """
    before = pod.get("status") or {}
    changed: Object = {}
    for field, value in status.items():
        if field == "conditions":
            moved = _changed_conditions(before.get("conditions") or (), value)
            if moved:
                changed[field] = moved
        elif field in {"podIPs", "hostIPs"}:
            if before.get(field) != value:
                changed[field] = _changed_ips(before.get(field) or (), value)
        elif before.get(field) != value:
            changed[field] = value
    if not changed:
        return None
    return {"metadata": {"uid": podspec.uid(pod)}, "status": changed}


def _changed_conditions(before: Sequence[Object], after: Sequence[Object]) -> list[Object]:
    known = {one["type"]: one for one in before}
    moved = []
    for one in after:
        old = known.get(one["type"])
        if old is None or any(old.get(field) != value for field, value in one.items()):
            gone = {field: None for field in ("reason", "message") if field not in one}
            moved.append({**one, **{field: None for field in gone if field in (old or {})}})
    kept = {one["type"] for one in after}
    moved.extend(
        {"$patch": "delete", "type": kind} for kind in PASSING if kind in known and kind not in kept
    )
    return moved


def _changed_ips(before: Sequence[Object], after: Sequence[Object]) -> list[Object]:
    kept = {one["ip"] for one in after}
    gone = [{"$patch": "delete", "ip": one["ip"]} for one in before if one["ip"] not in kept]
    return [*after, *gone]
