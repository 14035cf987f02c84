"""Readings of a Pod: its containers with their roles, policies and names. Pure.

Nothing here decides; it says once, in one place, how a Pod object is to be understood.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum

from roost.api.values import Object


class Role(StrEnum):
    """What a container is for."""

    INIT = "init"  # runs to its end before the next one starts
    SIDECAR = "sidecar"  # an init container with restartPolicy Always
    MAIN = "main"
    EPHEMERAL = "ephemeral"  # added to a running pod, never restarted


#: Role -> where the Pod lists it, where the status does.
LISTS = {
    Role.INIT: ("initContainers", "initContainerStatuses"),
    Role.SIDECAR: ("initContainers", "initContainerStatuses"),
    Role.MAIN: ("containers", "containerStatuses"),
    Role.EPHEMERAL: ("ephemeralContainers", "ephemeralContainerStatuses"),
}

TERMINAL_PHASES = frozenset({"Succeeded", "Failed"})


def uid(pod: Object) -> str:
    """Return the pod's uid, the identity everything on the node hangs on."""
    found: str = pod["metadata"]["uid"]
    return found


def name_of(pod: Object) -> tuple[str, str]:
    """Return (namespace, name)."""
    metadata = pod["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def unmanaged(pod: Object) -> Object:
    """Return the pod without its managed fields."""
    metadata = {key: item for key, item in pod["metadata"].items() if key != "managedFields"}
    return {**pod, "metadata": metadata}


def desired(pod: Object) -> tuple[Object, Object | None, Object | None]:
    """Return what somebody wants of the pod: all that its volumes may show."""
    metadata = pod["metadata"]
    return pod["spec"], metadata.get("labels"), metadata.get("annotations")


def full_name(pod: Object) -> str:
    """Return `name_namespace(uid)`, as event messages show a pod."""
    namespace, name = name_of(pod)
    return f"{name}_{namespace}({uid(pod)})"


def init_containers(pod: Object) -> list[Object]:
    """Return init containers and sidecars, in their order."""
    found: list[Object] = pod["spec"].get("initContainers") or []
    return found


def main_containers(pod: Object) -> list[Object]:
    """Return the ordinary containers."""
    found: list[Object] = pod["spec"].get("containers") or []
    return found


def ephemeral_containers(pod: Object) -> list[Object]:
    """Return the containers added for debugging."""
    found: list[Object] = pod["spec"].get("ephemeralContainers") or []
    return found


def init_role(container: Object) -> Role:
    """Return INIT or SIDECAR for an entry of initContainers."""
    return Role.SIDECAR if container.get("restartPolicy") == "Always" else Role.INIT


def containers(pod: Object) -> Iterable[tuple[Role, Object]]:
    """Yield every container with its role: init and sidecars, main, ephemeral."""
    for container in init_containers(pod):
        yield init_role(container), container
    for container in main_containers(pod):
        yield Role.MAIN, container
    for container in ephemeral_containers(pod):
        yield Role.EPHEMERAL, container


def find_container(pod: Object, name: str) -> tuple[Role, Object] | None:
    """Return the container of that name, or None."""
    return next((found for found in containers(pod) if found[1]["name"] == name), None)


def restart_policy(pod: Object) -> str:
    """Return Always, OnFailure or Never."""
    policy: str = pod["spec"].get("restartPolicy") or "Always"
    return policy


def grace_s(pod: Object) -> float:
    """Return spec.terminationGracePeriodSeconds."""
    grace = pod["spec"].get("terminationGracePeriodSeconds")
    return 30.0 if grace is None else float(grace)


def deletion_grace_s(pod: Object) -> float:
    """Return how long a deletion lets the containers go on; a forced one still gets a second."""
    grace = pod["metadata"].get("deletionGracePeriodSeconds")
    return max(1.0, grace_s(pod) if grace is None else float(grace))


def deleting(pod: Object) -> bool:
    """Tell whether somebody asked for the pod's deletion."""
    return pod["metadata"].get("deletionTimestamp") is not None


def host_network(pod: Object) -> bool:
    """Tell whether the pod uses the node's own network."""
    return bool(pod["spec"].get("hostNetwork"))


def field_path(role: Role, name: str) -> str:
    """Return the fieldPath under which events name a container."""
    return f"spec.{LISTS[role][0]}{{{name}}}"


def sandbox_id(pod_uid: str, attempt: int) -> str:
    """Return the sandbox's id: the same for the same attempt, so that a start may be repeated."""
    return hashlib.sha256(f"{pod_uid}/{attempt}".encode()).hexdigest()


def container_id(pod_uid: str, name: str, attempt: int) -> str:
    """Return a container's id: the same for the same attempt, so that a start may be repeated."""
    return hashlib.sha256(f"{pod_uid}/{name}/{attempt}".encode()).hexdigest()


def log_folder(root: str, pod: Object) -> str:
    """Return the folder of a pod's logs under `root`, named as the kubelet names it."""
    namespace, name = name_of(pod)
    return f"{root}/{namespace}_{name}_{uid(pod)}"


def log_path(root: str, pod: Object, container: str, attempt: int) -> str:
    """Return the log file of one attempt at a container."""
    return f"{log_folder(root, pod)}/{container}/{attempt}.log"


def compact_timestamp(seconds: float) -> str:
    """Return a time as the names of rotated logs have it: 20260131-235959."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y%m%d-%H%M%S")


def seconds_of(text: str) -> float:
    """Return epoch seconds of an RFC 3339 time."""
    return datetime.fromisoformat(text).timestamp()
