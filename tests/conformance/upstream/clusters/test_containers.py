"""[sig-node] of Kubernetes' conformance tests about what containers do, as their pods' status tells."""

from __future__ import annotations

import time
from typing import Any

import pytest
from e2eimages import AGNHOST, BUSYBOX, PAUSE
from framework import Framework
from kinds import PODS
from typedclient import Thing, until
from workloads import pod

pytestmark = pytest.mark.slow
#: For so long a pod is watched that must not become ready; in the programme it is a minute.
_NEVER_S = 3


def ended(f: Framework, value: Thing, phase: str = "Succeeded") -> Thing:
    """Create a pod that does not restart, and wait for its end."""
    value["spec"]["restartPolicy"] = "Never"
    pods, name = f.typed(PODS), value["metadata"]["name"]
    pods.create(value)

    def over() -> Thing | None:
        found = pods.get(name)
        return found if found["status"].get("phase") in ("Succeeded", "Failed") else None

    found: Thing = until(over, what=lambda: pods.get(name)["status"])
    assert found["status"]["phase"] == phase
    return found


def shell(name: str, script: str, **container: Any) -> Thing:
    container |= {"command": ["sh", "-c", script]}
    return pod(name, image=BUSYBOX, container=container)


def test_empty_termination_message(f: Framework):
    """Container Runtime blackbox test on terminated container should report termination message as
    empty when pod succeeds and TerminationMessagePolicy FallbackToLogsOnError is set"""
    container = {
        "command": ["/bin/sh", "-c"],
        "args": ["/bin/echo -n DONE; /bin/true"],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    found = ended(f, pod("termination-message", image=BUSYBOX, container=container))
    [status] = found["status"]["containerStatuses"]
    assert not status["state"]["terminated"].get("message")


def initialised(status: Thing) -> bool:
    """Whether the condition says so."""
    [found] = [item for item in status["conditions"] if item["type"] == "Initialized"]
    return bool(found["status"] == "True")


def check_order(seen: list[tuple[str, Thing]]) -> None:
    """Assert that no container ran before those that must have ended."""
    for _, value in seen:
        status = value["status"]
        begun = status.get("initContainerStatuses", [])
        done = [item["state"].get("terminated", {}).get("exitCode") == 0 for item in begun]
        for earlier, later in zip(done, begun[1:], strict=False):
            assert earlier or "waiting" in later["state"], begun
        if begun and not all(done):
            assert not initialised(status)
            for item in status.get("containerStatuses", []):
                assert item["state"]["waiting"]["reason"] == "PodInitializing"
                assert item["restartCount"] == 0


@pytest.mark.parametrize(
    ("policy", "container", "phase"),
    [
        ("Never", {"image": BUSYBOX, "command": ["/bin/true"]}, "Succeeded"),
        ("Always", {"image": PAUSE, "resources": {"limits": {"cpu": "100m"}}}, "Running"),
    ],
    ids=["Never", "Always"],
)
def test_init_containers(f: Framework, policy: str, container: Thing, phase: str):
    """InitContainer should invoke init containers on a RestartNever pod; InitContainer should invoke
    init containers on a RestartAlways pod"""
    begin = [
        {"name": f"init{number}", "image": BUSYBOX, "command": ["/bin/true"]} for number in (1, 2)
    ]
    value = pod("pod-init", {"time": f.unique}, initContainers=begin, restartPolicy=policy)
    value["spec"]["containers"] = [{"name": "run1", **container}]
    made = f.typed(PODS).create(value)
    version = made["metadata"]["resourceVersion"]
    with f.typed(PODS).watch(fields="metadata.name=pod-init", version=version) as watch:
        found = watch.until("MODIFIED", lambda o: o["status"]["phase"] not in ("Pending", ""))
        if phase != "Running":
            while found["status"]["phase"] == "Running":
                found = watch.until("MODIFIED")
        check_order(watch.seen)
    status = found["status"]
    assert status["phase"] == phase
    assert initialised(status)
    assert len(status["initContainerStatuses"]) == 2
    for item in status["initContainerStatuses"]:
        assert item["ready"]
        assert item["state"]["terminated"]["exitCode"] == 0


def test_failing_readiness_probe(f: Framework):
    """Probing container with readiness probe that fails should never be ready and never restart"""
    probe = {"httpGet": {"path": "/", "port": 81}}
    container = {"args": ["test-webserver"], "readinessProbe": probe}
    pods = f.typed(PODS)
    pods.create(pod("test-webserver", image=AGNHOST, container=container))
    until(lambda: pods.get("test-webserver")["status"].get("phase") == "Running")
    deadline = time.monotonic() + _NEVER_S
    while time.monotonic() < deadline:
        status = pods.get("test-webserver")["status"]
        [ready] = [item["status"] for item in status["conditions"] if item["type"] == "Ready"]
        assert ready == "False"
        time.sleep(0.5)
    [found] = status["containerStatuses"]
    assert found["restartCount"] == 0
    assert found["state"].get("running")


def test_user(f: Framework):
    """Security Context When creating a container with runAsUser should run the container with uid
    65534"""
    who = {"runAsUser": 65534}
    ended(f, shell("busybox-user", "test $(id -u) -eq 65534", securityContext=who))


def test_writable_root(f: Framework):
    """Security Context When creating a pod with readOnlyRootFilesystem should run the container with
    writable rootfs when readOnlyRootFilesystem=false"""
    rights = {"readOnlyRootFilesystem": False}
    ended(f, shell("busybox-readonly-false", "touch checkfile", securityContext=rights))


def test_command_that_fails(f: Framework):
    """What the tests above take for granted: a pod of which a command fails has failed."""
    found = ended(f, shell("bin-false", "/bin/false"), "Failed")
    [status] = found["status"]["containerStatuses"]
    assert status["state"]["terminated"]["exitCode"] == 1
