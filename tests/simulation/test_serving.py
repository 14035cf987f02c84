"""Real clients at a simulated cluster: kubectl, the Python client and an operator that others wrote."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kr8s
import pytest
from kubernetes import client, config, watch
from kubernetes.stream import stream

from cluster_scene import clean_environment
from roost.simulation import Cluster
from roost.simulation.serving.served import Served

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main", "image": "nginx"}]},
        },
    },
}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
}
TALKER = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "talker"},
    "spec": {"containers": [{
        "name": "main", "image": "busybox",
        "command": ["sh", "-c", "echo one; sleep 10; echo two; sleep 10; echo three"],
    }], "restartPolicy": "Never"},
}  # fmt: skip


class Scene:
    """A served cluster, and kubectl at it."""

    def __init__(self, served: Served, folder: Path) -> None:
        self.served, self.cluster = served, served.cluster
        self.environment = {
            **clean_environment(),
            "KUBECONFIG": str(served.kubeconfig),
            "KUBECACHEDIR": str(folder),
            "HOME": str(folder),
        }

    def begin(self, *argv: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["kubectl", *argv], env=self.environment, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def kubectl(self, *argv: str, stdin: str = "") -> str:
        """Return what a command prints that needs no time to pass."""
        return self.end(self.begin(*argv), stdin)

    def end(self, process: subprocess.Popen[str], stdin: str = "") -> str:
        out, err = process.communicate(stdin, timeout=60)
        assert process.returncode == 0, err
        return out

    def timed(self, *argv: str) -> str:
        """Return what a command prints that waits for the cluster's time."""
        before = self.served.activity.count
        process = self.begin(*argv)
        eventually(lambda: self.served.activity.count > before or process.poll() is not None)
        self.served.run_until(lambda: process.poll() is not None)
        return self.end(process)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Cluster(nodes=3) as cluster, Served(cluster) as served:
        yield Scene(served, tmp_path)
        assert served.failure is None


@pytest.fixture
def api(scene: Scene) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(scene.served.kubeconfig)) as made:
        yield made


def ready(cluster: Cluster) -> int:
    found = cluster.client.get("deploy", "web").get("status") or {}
    return int(found.get("readyReplicas", 0))


def eventually(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# -- kubectl


@pytest.mark.slow
@pytest.mark.kubectl
def test_kubectl_runs_a_deployment_while_the_test_passes_time(scene: Scene) -> None:
    nodes = json.loads(scene.kubectl("get", "nodes", "-o", "json"))["items"]
    assert [node["metadata"]["name"] for node in nodes] == ["node-1", "node-2", "node-3"]
    said = scene.kubectl("apply", "-f", "-", stdin=json.dumps(DEPLOYMENT))
    assert said == "deployment.apps/web created\n"
    assert "successfully rolled out" in scene.timed("rollout", "status", "deploy/web")
    assert scene.cluster.now < 120
    scene.kubectl("scale", "deploy/web", "--replicas=5")
    scene.served.run_until(lambda: ready(scene.cluster) == 5)
    assert scene.kubectl("get", "deploy", "web", "--no-headers").split()[1] == "5/5"
    assert "Scaled up replica set" in scene.kubectl("describe", "deploy", "web")
    scene.kubectl("set", "env", "deploy/web", "A=b")
    scene.timed("rollout", "status", "deploy/web")
    assert "REVISION" in scene.kubectl("rollout", "history", "deploy/web")
    assert scene.timed("drain", "node-1", "--force").endswith("node/node-1 drained\n")
    places = scene.kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}").split()
    assert places
    assert "node-1" not in places
    assert scene.timed("wait", "--for=condition=Available", "deploy/web").startswith("deploy")
    scene.served.advance(60)
    rows = scene.kubectl("top", "pods", "--no-headers").splitlines()
    assert len(rows) == 5
    assert len(scene.kubectl("top", "nodes", "--no-headers").splitlines()) == 3


@pytest.mark.slow
@pytest.mark.kubectl
def test_kubectl_sees_into_containers(scene: Scene) -> None:
    scene.cluster.apply([DEPLOYMENT, SERVICE, TALKER])
    scene.cluster.run_until(lambda: ready(scene.cluster) == 3)
    assert scene.kubectl("exec", "deploy/web", "--", "sh", "-c", "echo $HOSTNAME").startswith("web")
    failed = scene.begin("exec", "deploy/web", "--", "sh", "-c", "exit 3")
    assert failed.wait(20) == 3
    failed.communicate()
    assert scene.kubectl("exec", "-i", "deploy/web", "--", "cat", stdin="in\nout\n") == "in\nout\n"
    path = "/api/v1/namespaces/default/services/web/proxy/"
    assert "Welcome to nginx" in scene.kubectl("get", "--raw", path)
    following = scene.begin("logs", "-f", "talker")
    assert following.stdout is not None
    assert following.stdout.readline() == "one\n"
    scene.cluster.advance(10)
    assert following.stdout.readline() == "two\n"
    attached = scene.begin("attach", "talker")
    scene.served.quiet(0.3)
    scene.cluster.advance(60)
    assert following.wait(20) == 0
    assert scene.end(following) == "three\n"
    assert scene.end(attached) == "three\n"
    assert scene.kubectl("logs", "talker", "--tail=2").splitlines() == ["two", "three"]
    stamped = scene.kubectl("logs", "talker", "--tail=1", "--timestamps")
    assert stamped.startswith("2025-01-01T00:00:2")


@pytest.mark.slow
@pytest.mark.kubectl
def test_kubectl_forwards_http_to_a_pod(scene: Scene) -> None:
    scene.cluster.apply(DEPLOYMENT)
    scene.cluster.run_until(lambda: ready(scene.cluster) == 3)
    forward = scene.begin("port-forward", "deploy/web", ":80")
    try:
        assert forward.stdout is not None
        port = forward.stdout.readline().split(":")[1].split()[0]
        asked = subprocess.run(
            ["curl", "-sS", "-m", "20", "--noproxy", "*", f"http://127.0.0.1:{port}/"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "Welcome to nginx" in asked.stdout
    finally:
        forward.kill()
        forward.communicate()


@pytest.mark.slow
@pytest.mark.kubectl
def test_a_watch_goes_on_while_time_passes_and_ends_with_the_server(scene: Scene) -> None:
    watching = scene.begin("get", "pods", "-w", "-o", "jsonpath={.status.phase}{'\\n'}")
    assert watching.stdout is not None
    scene.served.quiet(0.3)
    scene.cluster.apply(TALKER)
    scene.cluster.advance(60)
    seen: list[str] = []
    while "Succeeded" not in seen:
        seen.append(watching.stdout.readline().strip())
    assert "Running" in seen
    scene.cluster.crash("server")
    refused = scene.begin("get", "--raw", "/api")
    assert refused.wait(30) == 1
    refused.communicate()
    scene.cluster.restart("server")
    assert "talker" in scene.kubectl("get", "pods")
    watching.kill()
    watching.communicate()


# -- clients in Python


def test_the_python_client_and_the_clusters_own_work_side_by_side(
    scene: Scene, api: client.ApiClient
) -> None:
    core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
    apps.create_namespaced_deployment("default", DEPLOYMENT)
    assert scene.cluster.client.get("deploy", "web")["spec"]["replicas"] == 3
    scene.cluster.advance(5)
    assert apps.read_namespaced_deployment("web", "default").status.ready_replicas == 3
    scene.cluster.client.patch("deploy", "web", {"spec": {"replicas": 1}})
    scene.cluster.advance(40)
    pods = core.list_namespaced_pod("default").items
    assert len(pods) == 1
    said = stream(
        core.connect_get_namespaced_pod_exec, pods[0].metadata.name, "default",
        command=["echo", "hello"], stdout=True, stderr=True, stdin=False, tty=False,
    )  # fmt: skip
    assert said == "hello\n"


def test_answers_to_strangers_are_refusals(scene: Scene, api: client.ApiClient) -> None:
    api.configuration.api_key = {}
    api.default_headers["Authorization"] = "Bearer nobody"
    with pytest.raises(client.ApiException) as caught:
        client.CoreV1Api(api).list_namespaced_pod("default")
    assert caught.value.status == 401
    api.default_headers.pop("Authorization")
    with pytest.raises(client.ApiException) as caught:
        client.CoreV1Api(api).list_namespaced_pod("default")
    assert caught.value.status == 403


def test_a_service_account_may_what_it_may(scene: Scene, api: client.ApiClient) -> None:
    core = client.CoreV1Api(api)
    token = core.create_namespaced_service_account_token(
        "default", "default", {"spec": {"audiences": []}}
    )
    api.default_headers["Authorization"] = f"Bearer {token.status.token}"
    with pytest.raises(client.ApiException) as caught:
        core.list_namespaced_pod("default")
    assert caught.value.status == 403
    assert "system:serviceaccount:default:default" in caught.value.body


def test_many_threads_ask_while_another_one_passes_time(
    scene: Scene, api: client.ApiClient
) -> None:
    core = client.CoreV1Api(api)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(10):
                body = {"metadata": {"name": f"c-{number}-{turn}"}, "data": {"n": str(turn)}}
                core.create_namespaced_config_map("default", body)
                core.list_namespaced_config_map("default")
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        scene.cluster.advance(5)
        scene.cluster.client.list("configmaps")
    assert not failures
    names = {one["metadata"]["name"] for one in scene.cluster.client.list("cm", "default")}
    assert len(names) == 41  # with kube-root-ca.crt


def test_an_operator_scales_with_the_clusters_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small operator over kr8s: a ConfigMap says how many replicas there are to be."""
    kube = kr8s.api(kubeconfig=str(scene.served.kubeconfig))
    ended = threading.Event()

    def operate() -> None:
        for kind, wish in kube.watch("configmaps", namespace="default"):
            if ended.is_set():
                return
            if kind in ("ADDED", "MODIFIED") and wish.name == "wish":
                web = next(iter(kube.get("deployments", "web", namespace="default")))
                web.scale(int(wish.data["replicas"]))

    scene.cluster.apply(DEPLOYMENT)
    thread = threading.Thread(target=operate, daemon=True)
    thread.start()
    for count in (5, 2):
        scene.cluster.apply({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "wish"},
            "data": {"replicas": str(count)},
        })  # fmt: skip
        scene.served.run_until(
            lambda: ready(scene.cluster) == count  # noqa: B023 - used in this turn only
        )
    ended.set()
    scene.cluster.client.patch("cm", "wish", {"data": {"replicas": "1"}})
    thread.join(20)
    assert not thread.is_alive()


@pytest.mark.slow
def test_a_kopf_operator_does_its_work(scene: Scene, api: client.ApiClient, tmp_path: Path) -> None:
    program = Path(__file__).parent.parent / "conformance" / "lighthouse_operator.py"
    log = tmp_path / "operator.log"
    scene.cluster.apply(CRD)
    scene.cluster.advance(1)
    with log.open("ab") as file:
        operator = subprocess.Popen(
            [sys.executable, "-m", "kopf", "run", "--standalone", "-n", "default", str(program)],
            stdout=file, stderr=file, env=scene.environment,
        )  # fmt: skip
    try:
        custom = client.CustomObjectsApi(api)
        body = {"apiVersion": "sea.example/v1", "kind": "Lighthouse",
                "metadata": {"name": "first"}, "spec": {"colour": "white"}}  # fmt: skip
        place = ("sea.example", "v1", "default", "lighthouses")
        custom.create_namespaced_custom_object(*place, body)

        def colour() -> str:
            found = custom.get_namespaced_custom_object(*place, "first")
            return str((found.get("status") or {}).get("colour", ""))

        scene.served.run_until(lambda: colour() == "white", patience_s=120)
        assert scene.cluster.client.get("cm", "first", "default")["data"] == {"colour": "white"}
        custom.delete_namespaced_custom_object(*place, "first")
        scene.served.run_until(
            lambda: not scene.cluster.client.list("lighthouses", "default"), patience_s=120
        )
        scene.served.advance(60)
        names = [one["metadata"]["name"] for one in scene.cluster.client.list("cm", "default")]
        assert names == ["first-ruin", "kube-root-ca.crt"]
    finally:
        operator.kill()
        operator.wait(10)


CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "lighthouses.sea.example"},
    "spec": {
        "group": "sea.example",
        "scope": "Namespaced",
        "names": {"plural": "lighthouses", "singular": "lighthouse", "kind": "Lighthouse"},
        "versions": [{
            "name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": True,
            }},
        }],
    },
}  # fmt: skip


# -- time, the server's life


def test_time_stands_still_but_for_the_test(scene: Scene, api: client.ApiClient) -> None:
    before = scene.cluster.now
    core = client.CoreV1Api(api)
    for _ in range(3):
        core.list_namespaced_pod("default")
    seen = watch.Watch().stream(core.list_namespace, timeout_seconds=5)
    assert next(seen)["type"] == "ADDED"
    assert scene.cluster.now == before


def test_in_real_time_it_passes_by_itself(tmp_path: Path) -> None:
    with Cluster(nodes=1) as cluster:
        cluster.speed = 200
        with Served(cluster, realtime=True) as served:
            began = cluster.now
            cluster.apply(DEPLOYMENT)
            eventually(lambda: ready(cluster) == 3)
            eventually(lambda: cluster.now > began + 5)
            cluster.pause()
            served.quiet()
            time.sleep(0.05)
            held = cluster.now
            time.sleep(0.05)
            assert cluster.now == held
            cluster.resume()
            eventually(lambda: cluster.now > held)
            assert served.failure is None


def test_the_kubeconfig_is_for_its_owner_and_goes_with_the_server() -> None:
    with Cluster(nodes=0) as cluster:
        with Served(cluster) as served:
            assert served.kubeconfig.stat().st_mode & 0o777 == 0o600
            folder = served.kubeconfig.parent
            assert folder.stat().st_mode & 0o777 == 0o700
        assert not folder.exists()
        with Served(cluster) as again:
            assert again.url != ""


def test_a_wait_that_is_in_vain_ends() -> None:
    with Cluster(nodes=1) as cluster, Served(cluster) as served:
        with pytest.raises(TimeoutError, match="within 20 s"):
            served.run_until(lambda: False, 20, patience_s=0.1)
        assert cluster.now == pytest.approx(20)
