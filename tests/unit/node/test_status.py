"""Pod statuses, their patches, and what is taken up at a start, as values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fakes.node import container, pod
from roost.api.values import Object
from roost.node import podspec
from roost.node.adoption import adopt, attempt_of
from roost.node.conditions import phase
from roost.node.facts import (
    BackOff,
    ContainerFacts,
    PodFacts,
    PodState,
    Probes,
    SandboxFacts,
    Seen,
    Verdict,
)
from roost.node.status import NodeAddress, pod_status, status_patch
from roost.runtimes.port import ContainerStatus, SandboxStatus, State

NOW = 1_800_000_000.0
STAMP = "2027-01-15T08:00:00Z"
NODE = NodeAddress(("192.168.0.7",), "oci")
BOX = podspec.sandbox_id("uid-web", 0)
UP = PodFacts(
    state=PodState.SYNCING,
    admitted=True,
    started_at=NOW,
    volumes_ready=True,
    sandbox=SandboxFacts(BOX, 0, ready=True, ip="10.244.0.3"),
)


def seen(state: State = State.RUNNING, code: int = 0, attempt: int = 0, **more: Any) -> Seen:
    finished = 0.0 if state is State.RUNNING else NOW
    return Seen(
        f"id{attempt}",
        BOX,
        attempt,
        state,
        "app:1",
        "app@sha256:1",
        NOW,
        NOW,
        finished,
        code,
        **more,
    )


def facts_with(**containers: ContainerFacts | Seen) -> PodFacts:
    known = {
        name: one if isinstance(one, ContainerFacts) else ContainerFacts(seen=one)
        for name, one in containers.items()
    }
    return replace(UP, containers=known)


def test_a_running_pod_whole() -> None:
    body = pod("web", container(volumeMounts=[{"name": "v", "mountPath": "/v", "readOnly": True}]))
    body["metadata"]["generation"] = 3
    status = pod_status(body, facts_with(main=seen()), NOW, NODE)
    conditions = status.pop("conditions")
    assert {c["type"]: c["status"] for c in conditions} == dict.fromkeys(
        ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"],
        "True",
    )
    assert all(c["observedGeneration"] == 3 for c in conditions)
    assert status == {
        "phase": "Running",
        "hostIP": "192.168.0.7",
        "hostIPs": [{"ip": "192.168.0.7"}],
        "podIP": "10.244.0.3",
        "podIPs": [{"ip": "10.244.0.3"}],
        "startTime": STAMP,
        "qosClass": "BestEffort",
        "observedGeneration": 3,
        "containerStatuses": [
            {
                "name": "main",
                "state": {"running": {"startedAt": STAMP}},
                "lastState": {},
                "ready": True,
                "restartCount": 0,
                "image": "app:1",
                "imageID": "app@sha256:1",
                "containerID": "oci://id0",
                "started": True,
                "volumeMounts": [
                    {
                        "name": "v",
                        "mountPath": "/v",
                        "readOnly": True,
                        "recursiveReadOnly": "Disabled",
                    }
                ],
            }
        ],
    }


END0, END1 = seen(State.EXITED), seen(State.EXITED, 1)


@pytest.mark.parametrize(
    ("policy", "one", "two", "result"),
    [
        ("Always", None, None, "Pending"),
        ("Always", seen(), None, "Pending"),
        ("Always", seen(), END1, "Running"),
        ("Always", END0, END0, "Running"),
        ("OnFailure", END0, END1, "Running"),
        ("OnFailure", END0, END0, "Succeeded"),
        ("Never", END0, END0, "Succeeded"),
        ("Never", END0, END1, "Failed"),
        ("Never", seen(), END1, "Running"),
        ("Never", seen(State.UNKNOWN, 137), END0, "Failed"),
    ],
)
def test_phases(policy: str, one: Seen | None, two: Seen | None, result: str) -> None:
    body = pod("web", container("one"), container("two"), restartPolicy=policy)
    known = {name: s for name, s in (("one", one), ("two", two)) if s is not None}
    assert phase(body, facts_with(**known)) == result


@pytest.mark.parametrize(("code", "result"), [(0, "Succeeded"), (143, "Failed")])
def test_a_deleted_pod_ends_by_its_exit_codes(code: int, result: str) -> None:
    facts = replace(facts_with(main=seen(State.EXITED, code)), state=PodState.TERMINATED)
    assert phase(pod("web"), facts) == result


def test_a_rejected_pod_shows_only_why() -> None:
    facts = PodFacts(
        state=PodState.TERMINATED, verdict=Verdict("OutOfcpu", "too big"), started_at=NOW
    )
    status = pod_status(pod("web"), facts, NOW, NODE)
    assert (status["phase"], status["reason"]) == ("Failed", "OutOfcpu")
    assert "containerStatuses" not in status


def test_crash_loop_shows_the_end_as_last_state() -> None:
    known = ContainerFacts(seen=END1, back_off=BackOff(20.0, NOW - 50))
    (main,) = pod_status(pod("web"), facts_with(main=known), NOW, NODE)["containerStatuses"]
    assert main["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert main["lastState"]["terminated"]["exitCode"] == 1
    assert main["restartCount"] == 0
    assert not main["ready"]


def test_what_nobody_saw_end_is_unknown() -> None:
    body = pod("web", restartPolicy="Never")
    facts = facts_with(main=seen(State.UNKNOWN))
    (main,) = pod_status(body, facts, NOW, NODE)["containerStatuses"]
    assert main["state"]["terminated"]["reason"] == "ContainerStatusUnknown"
    assert main["state"]["terminated"]["exitCode"] == 137


def conditions_of(body: Object, facts: PodFacts) -> dict[str, Object]:
    return {c["type"]: c for c in pod_status(body, facts, NOW, NODE)["conditions"]}


def test_readiness_gates() -> None:
    body = pod("web", readinessGates=[{"conditionType": "lb"}])
    found = conditions_of(body, facts_with(main=seen()))
    assert found["ContainersReady"]["status"] == "True"
    assert found["Ready"]["reason"] == "ReadinessGatesNotReady"
    assert found["Ready"]["message"] == (
        'corresponding condition of pod readiness gate "lb" does not exist.'
    )
    body["status"]["conditions"] = [{"type": "lb", "status": "False"}]
    found = conditions_of(body, facts_with(main=seen()))
    assert found["Ready"]["message"] == (
        'the status of pod readiness gate "lb" is not "True", but False'
    )
    body["status"]["conditions"] = [{"type": "lb", "status": "True"}]
    assert conditions_of(body, facts_with(main=seen()))["Ready"]["status"] == "True"


def test_init_conditions() -> None:
    body = pod("web", initContainers=[container("a"), container("b")])
    found = conditions_of(body, facts_with(a=END0))
    assert found["Initialized"]["message"] == "containers with incomplete status: [b]"
    assert conditions_of(body, facts_with(a=END0, b=END0))["Initialized"]["status"] == "True"


def test_transition_times_stay_while_the_status_does() -> None:
    body = pod("web")
    old = "2020-01-01T00:00:00Z"
    body["status"]["conditions"] = [
        {"type": "Ready", "status": "True", "lastTransitionTime": old},
        {"type": "Initialized", "status": "False", "lastTransitionTime": old},
    ]
    found = conditions_of(body, facts_with(main=seen()))
    assert found["Ready"]["lastTransitionTime"] == old
    assert found["Initialized"]["lastTransitionTime"] == STAMP


def test_an_unready_probe_makes_the_container_unready() -> None:
    body = pod("web", container(readinessProbe={"exec": {}}))
    known = ContainerFacts(seen=seen(), probes=Probes(readiness=None))
    assert conditions_of(body, facts_with(main=known))["Ready"]["status"] == "False"
    known = replace(known, probes=Probes(readiness=True))
    assert conditions_of(body, facts_with(main=known))["Ready"]["status"] == "True"


# -- patches ------------------------------------------------------------------------------------


def test_a_patch_holds_only_what_changed_and_is_guarded_by_the_uid() -> None:
    body = pod("web")
    status = pod_status(body, facts_with(main=seen()), NOW, NODE)
    patch = status_patch(body, status)
    assert patch is not None
    assert patch["metadata"] == {"uid": "uid-web"}
    body["status"] = status
    assert status_patch(body, status) is None
    patch = status_patch(body, {**status, "phase": "Failed"})
    assert patch == {"metadata": {"uid": "uid-web"}, "status": {"phase": "Failed"}}


def test_conditions_of_others_are_left_alone_and_old_reasons_are_taken_away() -> None:
    body = pod("web")
    body["status"]["conditions"] = [
        {"type": "lb", "status": "True"},
        {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "m"},
    ]
    status = pod_status(body, facts_with(main=seen()), NOW, NODE)
    patch = status_patch(body, status)
    assert patch is not None
    found = {one["type"]: one for one in patch["status"]["conditions"]}
    assert "lb" not in found
    assert found["Ready"]["reason"] is None
    assert found["Ready"]["message"] is None


def test_an_old_address_is_deleted_from_the_list() -> None:
    body = pod("web")
    body["status"]["podIPs"] = [{"ip": "10.244.0.9"}]
    patch = status_patch(body, pod_status(body, facts_with(main=seen()), NOW, NODE))
    assert patch is not None
    assert patch["status"]["podIPs"] == [
        {"ip": "10.244.0.3"},
        {"$patch": "delete", "ip": "10.244.0.9"},
    ]


# -- adoption -----------------------------------------------------------------------------------


def box(*containers: ContainerStatus, attempt: int = 0, ready: bool = True) -> SandboxStatus:
    return SandboxStatus(
        podspec.sandbox_id("uid-web", attempt),
        "uid-web",
        "web",
        "default",
        ready,
        "",
        NOW,
        containers,
    )


def status_of(attempt: int, state: State, code: int = 0) -> ContainerStatus:
    return ContainerStatus(
        f"id{attempt}", BOX, "main", attempt, "sha256:1", state, started_at=NOW, exit_code=code
    )


def test_the_sandboxes_attempt_is_found_by_its_id() -> None:
    assert attempt_of(box(attempt=3)) == 3


def test_what_runs_is_adopted_with_its_count() -> None:
    found = adopt(pod("web"), None, [box(status_of(2, State.RUNNING))], "10.244.0.3", NOW)
    known = found.container("main").seen
    assert known is not None
    assert (known.attempt, known.state) == (2, State.RUNNING)
    assert (found.state, found.admitted, found.volumes_ready) == (PodState.SYNCING, True, True)
    assert found.sandbox is not None
    assert found.sandbox.ip == "10.244.0.3"


def test_an_end_that_was_missed_is_taken_from_the_runtime() -> None:
    found = adopt(
        pod("web"), facts_with(main=seen()), [box(status_of(0, State.EXITED, 42))], "", NOW
    )
    known = found.container("main").seen
    assert known is not None
    assert (known.exit_code, known.image) == (42, "app:1")


def test_what_the_runtime_does_not_show_is_lost_not_running() -> None:
    found = adopt(pod("web"), facts_with(main=seen(attempt=4)), [], "", NOW)
    known = found.container("main").seen
    assert known is not None
    assert (known.state, known.attempt, known.exit_code) == (State.UNKNOWN, 4, 137)
    assert found.sandbox is None
    assert found.sandbox_attempt == 1


def test_without_record_or_runtime_the_api_keeps_the_count() -> None:
    body = pod("web")
    body["status"]["containerStatuses"] = [
        {
            "name": "main",
            "restartCount": 5,
            "containerID": "oci://abc",
            "state": {"running": {"startedAt": STAMP}},
        }
    ]
    found = adopt(body, None, [], "", NOW)
    known = found.container("main").seen
    assert known is not None
    assert (known.attempt, known.state) == (5, State.UNKNOWN)
