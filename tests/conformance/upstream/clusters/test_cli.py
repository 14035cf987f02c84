"""[sig-cli] of Kubernetes' conformance tests: kubectl against the server."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from e2eimages import AGNHOST, BUSYBOX, HTTPD, PAUSE
from framework import Framework
from kinds import PODS, RCS
from typedclient import until
from workloads import running

from cluster_scene import clean_environment

pytestmark = [pytest.mark.slow, pytest.mark.kubectl]

_DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: httpd-deployment}
spec:
  replicas: 3
  selector: {matchLabels: {app: httpd}}
  template:
    metadata: {labels: {app: httpd}}
    spec:
      containers:
      - {name: httpd, image: example.com/httpd:2.4, ports: [{containerPort: 80}]}
"""
_CONTROLLER = {
    "kind": "ReplicationController", "apiVersion": "v1",
    "metadata": {"name": "agnhost-primary", "labels": {"app": "agnhost", "role": "primary"}},
    "spec": {
        "replicas": 1, "selector": {"app": "agnhost", "role": "primary"},
        "template": {
            "metadata": {"labels": {"app": "agnhost", "role": "primary"}},
            "spec": {
                "containers": [
                    {
                        "name": "agnhost-primary", "image": AGNHOST,
                        "ports": [{"name": "agnhost-server", "containerPort": 6379}],
                    }
                ]
            },
        },
    },
}  # fmt: skip
_SERVICE = {
    "kind": "Service", "apiVersion": "v1",
    "metadata": {"name": "agnhost-primary", "labels": {"app": "agnhost", "role": "primary"}},
    "spec": {
        "ports": [{"port": 6379, "targetPort": "agnhost-server"}],
        "selector": {"app": "agnhost", "role": "primary"},
    },
}  # fmt: skip

Kubectl = Callable[..., str]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**clean_environment(), "HOME": str(tmp_path), "KUBECACHEDIR": str(tmp_path / "cache")}


@pytest.fixture
def command(f: Framework) -> list[str]:
    return ["kubectl", f"--kubeconfig={f.scene.kubeconfig}", f"--namespace={f.namespace}"]


@pytest.fixture
def kubectl(command: list[str], environment: dict[str, str]) -> Kubectl:
    def run(*words: str, given: str = "", code: int = 0) -> str:
        done = subprocess.run(
            [*command, *words], input=given, capture_output=True, text=True, check=False,
            timeout=60, env=environment,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return run


def test_api_versions(kubectl: Kubectl):
    """Kubectl api-versions should check if v1 is in available api versions"""
    assert "v1" in kubectl("api-versions").split("\n")


def test_cluster_info(kubectl: Kubectl):
    """Kubectl cluster-info should check if Kubernetes control plane services is included"""
    said = kubectl("cluster-info")
    assert "Kubernetes control plane" in said
    assert "is running at" in said


def test_diff(kubectl: Kubectl):
    """Kubectl diff should check if kubectl diff finds a difference for Deployments"""
    kubectl("create", "-f", "-", given=_DEPLOYMENT)
    other = _DEPLOYMENT.replace("httpd:2.4", "busybox:1")
    said = kubectl("diff", "-f", "-", given=other, code=1)
    assert re.search(r"^-.*example.com/httpd:2.4$", said, re.MULTILINE)
    assert re.search(r"^\+.*example.com/busybox:1$", said, re.MULTILINE)
    kubectl("delete", "-f", "-", given=other)


def test_version(kubectl: Kubectl):
    """Kubectl version should check is all data is printed"""
    said = kubectl("version")
    for needed in ("Client Version: ", "Server Version: "):
        assert needed in said
    versions = json.loads(kubectl("version", "-o", "json"))
    assert versions["serverVersion"]["gitVersion"].startswith("v1.36")


@contextlib.contextmanager
def proxy(command: list[str], environment: dict[str, str], *words: str) -> Iterator[str]:
    with subprocess.Popen(
        [*command, "proxy", *words], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline()
        process.terminate()


def fetch(place: socket.socket) -> str:
    place.sendall(b"GET /api/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
    answer = b""
    while piece := place.recv(65536):
        answer += piece
    return answer.partition(b"\r\n\r\n")[2].decode()


def test_proxy_on_a_port(command: list[str], environment: dict[str, str]):
    """Proxy server should support proxy with --port 0"""
    with proxy(command, environment, "-p", "0", "--disable-filter") as said:
        found = re.search(r"Starting to serve on 127.0.0.1:(\d+)", said)
        assert found, said
        with socket.create_connection(("127.0.0.1", int(found[1])), 10) as place:
            assert json.loads(fetch(place))["versions"] == ["v1"]


def test_proxy_on_a_unix_socket(command: list[str], environment: dict[str, str], tmp_path: Path):
    """Proxy server should support --unix-socket=/path"""
    path = os.path.relpath(tmp_path / "test")  # the whole path may be too long
    with proxy(command, environment, f"--unix-socket={path}") as said:
        assert "Starting to serve on" in said
        with socket.socket(socket.AF_UNIX) as place:
            place.connect(path)
            assert json.loads(fetch(place))["versions"] == ["v1"]


def needed(text: str, *lines: tuple[str, ...]) -> None:
    """Assert that each of the lines is there, with all its words (checkOutput)."""
    rest = text.splitlines()
    for words in lines:
        found = [i for i, line in enumerate(rest) if words[0] in line]
        assert found, (words, text)
        assert all(word in rest[found[0]] for word in words), (words, text)
        rest = rest[found[0] :]


def test_describe(f: Framework, kubectl: Kubectl):
    """Kubectl describe should check if kubectl describe prints relevant information for rc and pods"""
    for item in (_CONTROLLER, _SERVICE):
        kubectl("create", "-f", "-", given=json.dumps(item))
    [pod] = running(f, "app=agnhost", 1)
    name = pod["metadata"]["name"]
    needed(
        kubectl("describe", "pod", name),
        ("Name:", "agnhost-primary-"), ("Namespace:", f.namespace), ("Node:",),
        ("Labels:", "app=agnhost"), ("role=primary",), ("Annotations:",), ("Status:", "Running"),
        ("IP:",), ("Controlled By:", "ReplicationController/agnhost-primary"),
        ("Image:", AGNHOST), ("State:", "Running"), ("QoS Class:", "BestEffort"),
    )  # fmt: skip
    until(lambda: f.typed(RCS).get("agnhost-primary")["status"].get("readyReplicas") == 1)
    needed(
        kubectl("describe", "rc", "agnhost-primary"),
        ("Name:", "agnhost-primary"), ("Namespace:", f.namespace),
        ("Selector:", "app=agnhost,role=primary"), ("Labels:", "app=agnhost"), ("role=primary",),
        ("Annotations:",), ("Replicas:", "1 current", "1 desired"),
        ("Pods Status:", "1 Running", "0 Waiting", "0 Succeeded", "0 Failed"), ("Pod Template:",),
        ("Image:", AGNHOST), ("Events:",),
    )  # fmt: skip
    needed(
        kubectl("describe", "service", "agnhost-primary"),
        ("Name:", "agnhost-primary"), ("Namespace:", f.namespace), ("Labels:", "app=agnhost"),
        ("role=primary",), ("Annotations:",), ("Selector:", "app=agnhost", "role=primary"),
        ("Type:", "ClusterIP"), ("IP:",), ("Port:", "<unset>", "6379/TCP"), ("Endpoints:",),
        ("Session Affinity:", "None"),
    )  # fmt: skip
    needed(
        kubectl("describe", "node", f.nodes[0]),
        ("Name:", f.nodes[0]), ("Labels:",), ("Annotations:",), ("CreationTimestamp:",),
        ("Conditions:",), ("Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason",
        "Message"), ("Addresses:",), ("Capacity:",), ("Version:",), ("Kubelet Version:",), ("Pods:",),
    )  # fmt: skip
    needed(
        kubectl("describe", "namespace", f.namespace),
        ("Name:", f.namespace), ("Labels:",), ("Annotations:",), ("Status:", "Active"),
    )  # fmt: skip


def test_label(f: Framework, kubectl: Kubectl):
    """Kubectl label should update the label on a resource"""
    kubectl("run", "pause", f"--image={PAUSE}", "--labels=name=pause")
    running(f, "name=pause", 1)
    kubectl("label", "pods", "pause", "testing-label=testing-label-value")
    said = kubectl("get", "pod", "pause", "-L", "testing-label")
    assert "testing-label-value" in said
    kubectl("label", "pods", "pause", "testing-label-")
    assert "testing-label-value" not in kubectl("get", "pod", "pause", "-L", "testing-label")
    kubectl("delete", "--grace-period=0", "--force", "pod", "pause")
    assert kubectl("get", "rc,svc", "-l", "name=pause", "--no-headers") == ""


def test_patch(f: Framework, kubectl: Kubectl):
    """Kubectl patch should add annotations for pods in rc"""
    kubectl("create", "-f", "-", given=json.dumps(_CONTROLLER))
    [pod] = running(f, "app=agnhost", 1)
    name = pod["metadata"]["name"]
    kubectl("patch", "pod", name, "-p", '{"metadata":{"annotations":{"x":"y"}}}')
    assert f.typed(PODS).get(name)["metadata"]["annotations"]["x"] == "y"


def test_replace(f: Framework, kubectl: Kubectl):
    """Kubectl replace should update a single-container pod's image"""
    name = "e2e-test-httpd-pod"
    kubectl("run", name, f"--image={HTTPD}", f"--labels=run={name}")
    running(f, f"run={name}", 1)
    value = json.loads(kubectl("get", "pod", name, "-o", "json"))
    value["spec"]["containers"][0]["image"] = BUSYBOX
    kubectl("replace", "-f", "-", given=json.dumps(value))
    assert f.typed(PODS).get(name)["spec"]["containers"][0]["image"] == BUSYBOX
    kubectl("delete", "pods", name)


def test_run(f: Framework, kubectl: Kubectl):
    """Kubectl run pod should create a pod from an image when restart is Never"""
    kubectl("run", "e2e-test-httpd-pod", "--restart=Never", f"--image={HTTPD}")
    pod = f.typed(PODS).get("e2e-test-httpd-pod")
    assert pod["spec"]["containers"][0]["image"] == HTTPD
    assert pod["spec"]["restartPolicy"] == "Never"
    kubectl("delete", "pods", "e2e-test-httpd-pod")


def test_server_side_dry_run(f: Framework, kubectl: Kubectl):
    """Kubectl server-side dry-run should check if kubectl can dry-run update Pods"""
    name = "e2e-test-httpd-pod"
    kubectl("run", name, f"--image={HTTPD}", f"--labels=run={name}")
    patch = {"spec": {"containers": [{"name": name, "image": BUSYBOX}]}}
    kubectl("patch", "pod", name, "-p", json.dumps(patch), "--dry-run=server")
    assert f.typed(PODS).get(name)["spec"]["containers"][0]["image"] == HTTPD
    kubectl("delete", "pods", name)
