"""What a pod is doing, in one word."""

from typing import Any

import pytest

from roost.api.columns.pods import PODS, row_conditions
from roost.api.values import Object

NOW = 1_000_000.0
STARTED = "1970-01-12T13:46:30Z"  # ten seconds before NOW


def cells(pod: Object) -> dict[str, Any]:
    return {column.name: column.cell(pod, NOW) for column in PODS}


def pod(phase: str = "Running", *, spec: Object | None = None, **status: Any) -> Object:
    return {
        "metadata": {"name": "p", "creationTimestamp": STARTED},
        "spec": {"containers": [{"name": "a"}, {"name": "b"}], **(spec or {})},
        "status": {"phase": phase, **status},
    }


def state(name: str = "a", *, restarts: int = 0, ready: bool = False, **states: Any) -> Object:
    return {"name": name, "restartCount": restarts, "ready": ready, "state": states}


WAITING = {"reason": "CrashLoopBackOff"}
INIT = {"initContainers": [{"name": "i"}, {"name": "j"}]}
SIDECAR = {"initContainers": [{"name": "i", "restartPolicy": "Always"}]}


@pytest.mark.parametrize(
    ("value", "status", "ready"),
    [
        (pod("Pending"), "Pending", "0/2"),
        (pod(reason="Evicted"), "Evicted", "0/2"),
        (
            pod(
                "Pending",
                conditions=[{"type": "PodScheduled", "reason": "SchedulingGated"}],
            ),
            "SchedulingGated",
            "0/2",
        ),
        (pod(containerStatuses=[state(ready=True, running={})]), "Running", "1/2"),
        (
            pod(containerStatuses=[state(ready=True, running={}), state("b", waiting=WAITING)]),
            "CrashLoopBackOff",
            "1/2",
        ),
        (pod(containerStatuses=[state(terminated={"reason": "OOMKilled"})]), "OOMKilled", "0/2"),
        (pod(containerStatuses=[state(terminated={"exitCode": 3})]), "ExitCode:3", "0/2"),
        (pod(containerStatuses=[state(terminated={"signal": 9})]), "Signal:9", "0/2"),
        (
            pod(
                conditions=[{"type": "Ready", "status": "True"}],
                containerStatuses=[
                    state(terminated={"reason": "Completed"}),
                    state("b", ready=True, running={}),
                ],
            ),
            "Running",
            "1/2",
        ),
        (
            pod(
                containerStatuses=[
                    state(terminated={"reason": "Completed"}),
                    state("b", ready=True, running={}),
                ]
            ),
            "NotReady",
            "1/2",
        ),
        (
            pod("Pending", spec=INIT, initContainerStatuses=[state("i", running={}), state("j")]),
            "Init:0/2",
            "0/2",
        ),
        (
            pod(
                "Pending",
                spec=INIT,
                initContainerStatuses=[state("i", terminated={"exitCode": 0}), state("j")],
            ),
            "Init:1/2",
            "0/2",
        ),
        (
            pod("Pending", spec=INIT, initContainerStatuses=[state("i", waiting=WAITING)]),
            "Init:CrashLoopBackOff",
            "0/2",
        ),
        (
            pod(
                "Pending",
                spec=INIT,
                initContainerStatuses=[state("i", waiting={"reason": "PodInitializing"})],
            ),
            "Init:0/2",
            "0/2",
        ),
        (
            pod(
                "Failed", spec=INIT, initContainerStatuses=[state("i", terminated={"exitCode": 2})]
            ),
            "Init:ExitCode:2",
            "0/2",
        ),
        (
            pod(
                spec=SIDECAR,
                initContainerStatuses=[{**state("i", ready=True, running={}), "started": True}],
                containerStatuses=[state(ready=True, running={})],
            ),
            "Running",
            "2/3",
        ),
    ],
)
def test_status_and_ready(value: Object, status: str, ready: str) -> None:
    row = cells(value)
    assert (row["Status"], row["Ready"]) == (status, ready)


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (pod(), "Terminating"),
        (pod("Succeeded"), "Succeeded"),
        (pod(reason="NodeLost"), "Unknown"),
    ],
)
def test_pods_that_are_deleted(value: Object, status: str) -> None:
    value["metadata"]["deletionTimestamp"] = STARTED
    assert cells(value)["Status"] == status


def test_restarts_say_when() -> None:
    last = {"terminated": {"finishedAt": "1970-01-12T13:41:40Z"}}
    container = {**state(restarts=3), "lastState": last}
    assert cells(pod(containerStatuses=[container]))["Restarts"] == "3 (5m ago)"
    assert cells(pod(containerStatuses=[state(restarts=2)]))["Restarts"] == "2"


def test_the_wide_columns() -> None:
    value = pod(
        spec={"nodeName": "n", "readinessGates": [{"conditionType": "x"}, {"conditionType": "y"}]},
        podIPs=[{"ip": "10.0.0.1"}],
        conditions=[{"type": "x", "status": "True"}],
    )
    row = cells(value)
    assert [row[name] for name in ("IP", "Node", "Nominated Node", "Readiness Gates")] == [
        "10.0.0.1", "n", "<none>", "1/2",
    ]  # fmt: skip
    assert row["Age"] == "10s"


def test_rows_of_pods_that_are_done_say_so() -> None:
    assert row_conditions(pod()) == []
    (condition,) = row_conditions(pod("Succeeded"))
    assert condition["type"] == "Completed"
    assert condition["reason"] == "Succeeded"
