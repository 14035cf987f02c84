"""Stand-ins for nodes: Node objects with leases, and a kubelet that says that pods run.

Pods bound to such a node become Running and Ready at once; commands of busybox have ended, unless they
sleep. Deleted pods vanish. With `pause()` nothing happens to pods, as with nodes that are only objects.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from datetime import UTC, datetime
from typing import Final

from e2eimages import BUSYBOX, NOWHERE
from kinds import LEASES, NODES, PODS
from typedclient import GoClient, Refused, Thing

#: Nobody listens on this port.
_CLOSED: Final = 81


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Nodes:
    """The nodes and what runs on them."""

    def __init__(self, client: GoClient, names: tuple[str, ...]) -> None:
        self.client = client
        self.names = names
        self._end = threading.Event()
        self._addresses = itertools.count(2)
        self._running = threading.Event()
        self._running.set()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for number, name in enumerate(self.names):
            self.client.typed(NODES).create(
                {
                    "metadata": {
                        "name": name,
                        "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
                    }
                }
            )
            self.heartbeat(number, name)
        for work in (self._beat, self._serve):
            self._threads.append(threading.Thread(target=work, daemon=True))
            self._threads[-1].start()

    def stop(self) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(5)

    def pause(self) -> None:
        self._running.clear()

    def go_on(self) -> None:
        self._running.set()

    def heartbeat(self, number: int, name: str) -> None:
        condition = {"lastHeartbeatTime": now(), "lastTransitionTime": now()}
        size = {"cpu": "8", "memory": "16Gi", "pods": "110", "ephemeral-storage": "1Ti"}
        self.client.typed(NODES).patch(
            name,
            {
                "status": {
                    "capacity": size,
                    "allocatable": size,
                    "addresses": [
                        {"type": "InternalIP", "address": f"192.0.2.{number + 1}"},
                        {"type": "Hostname", "address": name},
                    ],
                    "conditions": [
                        {"type": "Ready", "status": "True", "reason": "KubeletReady", **condition}
                    ],
                    "nodeInfo": {"kubeletVersion": "v1.36.0", "operatingSystem": "linux"},
                }
            },
            sub="status",
        )
        leases = self.client.typed(LEASES, "kube-node-lease")
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": moment}
        try:
            leases.patch(name, {"spec": spec})
        except Refused:
            leases.create({"metadata": {"name": name}, "spec": spec})

    def _beat(self) -> None:
        while not self._end.wait(10):
            for number, name in enumerate(self.names):
                with contextlib.suppress(Refused, OSError):
                    self.heartbeat(number, name)

    def _serve(self) -> None:
        pods = self.client.typed(PODS)
        while not self._end.is_set():
            with contextlib.suppress(AssertionError, OSError, Refused), pods.watch() as watch:
                while not self._end.is_set():
                    kind, pod = watch.next(25)
                    self._running.wait()
                    if kind != "DELETED" and pod.get("spec", {}).get("nodeName"):
                        self._act(pod)

    def _act(self, pod: Thing) -> None:
        own = self.client.typed(PODS, pod["metadata"]["namespace"])
        name = pod["metadata"]["name"]
        with contextlib.suppress(Refused):
            if pod["metadata"].get("deletionTimestamp"):
                own.delete(
                    name, gracePeriodSeconds=0, preconditions={"uid": pod["metadata"]["uid"]}
                )
            elif pod["status"].get("phase") == "Pending":
                status = self._status(pod)
                if status:
                    own.patch(name, {"metadata": {"uid": pod["metadata"]["uid"]},
                                     "status": status}, sub="status")  # fmt: skip

    def _status(self, pod: Thing) -> Thing:
        """Return how a pod is once its containers were started; {}: as before."""
        spec = pod["spec"]
        if any(item["image"] == NOWHERE for item in spec["containers"]):
            return {}
        number = next(self._addresses)
        begun = [
            _begun(item, number, spec["restartPolicy"]) for item in spec.get("initContainers", ())
        ]
        running = [_begun(item, number, spec["restartPolicy"]) for item in spec["containers"]]
        ended = [item["state"].get("terminated") for item in running]
        if all(ended):
            phase = "Failed" if any(item["exitCode"] for item in ended) else "Succeeded"
        else:
            phase = "Running"
        ready = all(item["ready"] for item in running) and phase == "Running"
        address = f"10.244.{number // 250}.{number % 250 + 1}"
        conditions = {"Ready": ready, "ContainersReady": ready, "Initialized": True}
        return {
            "phase": phase,
            "startTime": now(),
            "hostIP": "192.0.2.1",
            "hostIPs": [{"ip": "192.0.2.1"}],
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [
                {"type": kind, "status": str(true), "lastTransitionTime": now()}
                for kind, true in conditions.items()
            ],
            "initContainerStatuses": begun,
            "containerStatuses": running,
        }


def _begun(container: Thing, number: int, policy: str) -> Thing:
    """Return the status of a container that was started, and may have ended."""
    words = " ".join([*container.get("command", ()), *container.get("args", ())])
    runs = container["image"] != BUSYBOX or not words or "sleep" in words
    code = int("false" in words)
    ended = {"terminated": {"exitCode": code, "startedAt": now(), "finishedAt": now(),
                            "reason": "Error" if code else "Completed"}}  # fmt: skip
    state: Thing = {"running": {"startedAt": now()}} if runs else ended
    last: Thing = {}
    if not runs and code and policy != "Never":
        state, last = {"waiting": {"reason": "CrashLoopBackOff"}}, ended
    probe = container.get("readinessProbe", {}).get("httpGet", {})
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": f"sha256:{container['image']}",
        "containerID": f"standin://{number}",
        "ready": probe.get("port") != _CLOSED if runs else not code,
        "started": runs,
        "restartCount": int(bool(last)),
        "state": state,
        "lastState": last,
    }
