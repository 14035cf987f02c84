"""Other people's clients against a cluster with a node: the official Python client, and kr8s."""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
from contextlib import aclosing
from typing import Any

import kr8s.asyncio
import pytest
from kubernetes import client, config, watch
from kubernetes.stream import portforward, stream

from cluster_scene import Cluster, Space, free_port

pytestmark = [pytest.mark.root, pytest.mark.kubectl, pytest.mark.slow]


def manifest(space: Space, name: str, script: str = "") -> dict[str, Any]:
    script = script or "echo started; echo page > /tmp/x; httpd -f -p 8080 -h /tmp"
    probe = {"exec": {"command": ["test", "-f", "/tmp/x"]}, "periodSeconds": 1}
    return space.pod(
        name, script, container={"readinessProbe": probe}, terminationGracePeriodSeconds=0
    )


def test_the_official_python_client(cluster: Cluster, space: Space):
    def work() -> None:
        api_client = config.new_client_from_config(cluster.kubeconfig)
        with api_client:
            use_typed_objects(api_client, space)
            use_streams(api_client, space)

    cluster.inside(work)


def use_typed_objects(api_client: client.ApiClient, space: Space) -> None:
    core, apps = client.CoreV1Api(api_client), client.AppsV1Api(api_client)
    created = core.create_namespaced_config_map(
        space.name,
        client.V1ConfigMap(metadata=client.V1ObjectMeta(name="c"), data={"a": "1"}),
    )
    assert created.metadata.uid
    seen = []
    watcher = watch.Watch()
    core.patch_namespaced_config_map("c", space.name, {"data": {"b": "2"}})
    core.delete_namespaced_config_map("c", space.name)
    for event in watcher.stream(
        core.list_namespaced_config_map, space.name, timeout_seconds=10,
        resource_version=created.metadata.resource_version,
    ):  # fmt: skip
        seen.append((event["type"], event["object"].data))
        if event["type"] == "DELETED":
            watcher.stop()
    assert seen == [("MODIFIED", {"a": "1", "b": "2"}), ("DELETED", {"a": "1", "b": "2"})]
    with pytest.raises(client.ApiException) as refused:
        core.read_namespaced_config_map("c", space.name)
    assert (refused.value.status, refused.value.reason) == (404, "Not Found")

    labels = {"app": "typed"}
    container = client.V1Container(
        name="main", image=f"{space.registry}/busybox:1", command=["sleep", "100000"]
    )
    deployment = client.V1Deployment(
        metadata=client.V1ObjectMeta(name="typed"),
        spec=client.V1DeploymentSpec(
            replicas=2,
            selector=client.V1LabelSelector(match_labels=labels),
            template=client.V1PodTemplateSpec(
                metadata=client.V1ObjectMeta(labels=labels),
                spec=client.V1PodSpec(containers=[container], termination_grace_period_seconds=0),
            ),
        ),
    )
    apps.create_namespaced_deployment(space.name, deployment)
    for event in watch.Watch().stream(
        apps.list_namespaced_deployment, space.name, timeout_seconds=30
    ):
        if event["object"].status.available_replicas == 2:
            break
    else:
        pytest.fail("the deployment did not become available")
    pods = core.list_namespaced_pod(space.name, label_selector="app=typed").items
    assert len({pod.status.pod_ip for pod in pods}) == 2
    assert all(pod.status.container_statuses[0].state.running.started_at for pod in pods)
    scale = apps.patch_namespaced_deployment_scale("typed", space.name, {"spec": {"replicas": 1}})
    assert scale.spec.replicas == 1
    apps.delete_namespaced_deployment("typed", space.name, propagation_policy="Foreground")


def use_streams(api_client: client.ApiClient, space: Space) -> None:
    core = client.CoreV1Api(api_client)
    core.create_namespaced_pod(space.name, manifest(space, "web"))
    for event in watch.Watch().stream(core.list_namespaced_pod, space.name, timeout_seconds=30):
        statuses = event["object"].status.container_statuses
        if event["object"].metadata.name == "web" and statuses and statuses[0].ready:
            break
    assert core.read_namespaced_pod_log("web", space.name) == "started\n"
    run = core.connect_get_namespaced_pod_exec
    said = stream(run, "web", space.name, command=["cat", "/tmp/x"],
                  stdout=True, stderr=True, stdin=False, tty=False)  # fmt: skip
    assert said == "page\n"
    session = stream(run, "web", space.name, command=["sh"], stdin=True, stdout=True, stderr=True,
                     tty=False, _preload_content=False)  # fmt: skip
    session.write_stdin("echo out; echo err >&2; exit 9\n")
    session.run_forever(timeout=10)
    assert (session.read_stdout(), session.read_stderr()) == ("out\n", "err\n")
    assert session.returncode == 9
    session.close()

    forward = portforward(core.connect_get_namespaced_pod_portforward, "web", space.name,
                          ports="8080")  # fmt: skip
    connection = http.client.HTTPConnection("web")
    connection.sock = forward.socket(8080)
    connection.request("GET", "/x")
    assert connection.getresponse().read() == b"page\n"
    assert forward.error(8080) is None
    forward.close()
    core.delete_namespaced_pod("web", space.name, grace_period_seconds=0)


#: kr8s runs its blocking form in one thread a process, which would stay in the network namespace
#: where it was first used: so this is a process of its own.
KR8S = """
import json, sys, kr8s
kubeconfig, namespace, manifest = sys.argv[1:]
api = kr8s.api(kubeconfig=kubeconfig, namespace=namespace)
pod = kr8s.objects.Pod(json.loads(manifest), namespace=namespace, api=api)
pod.create()
pod.wait("condition=Ready", timeout=30)
assert pod.exec(["cat", "/tmp/x"]).stdout == b"page\\n"
assert list(pod.logs()) == ["started"]
pod.label({"team": "a"})
assert [p.name for p in api.get("pods", label_selector="team=a")] == ["sync"]
pod.delete(grace_period=0)
pod.wait("delete", timeout=20)
print("done")
"""


def test_kr8s(cluster: Cluster, space: Space):
    body = json.dumps(manifest(space, "sync"))
    said = cluster.namespace.run(
        sys.executable, "-c", KR8S, str(cluster.kubeconfig), space.name, body, timeout_s=60
    )
    assert said.endswith("done\n")


def test_kr8s_with_asyncio(cluster: Cluster, space: Space):
    async def work() -> None:
        api = await kr8s.asyncio.api(kubeconfig=cluster.kubeconfig, namespace=space.name)
        pod = await kr8s.asyncio.objects.Pod(
            manifest(space, "async"), namespace=space.name, api=api
        )
        seen = []

        async def follow() -> None:
            async with aclosing(api.watch("pods", namespace=space.name)) as events:
                async for kind, item in events:
                    seen.append((kind, item.name))
                    if kind == "DELETED":
                        return

        following = asyncio.ensure_future(follow())
        await pod.create()
        await pod.wait("condition=Ready", timeout=30)
        done = await pod.exec(["sh", "-c", "echo hi; exit 0"])
        assert (done.returncode, done.stdout) == (0, b"hi\n")
        assert [line async for line in pod.logs()] == ["started"]
        port = free_port(cluster.namespace)
        async with pod.portforward(8080, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /x HTTP/1.0\r\n\r\n")
            assert (await asyncio.wait_for(reader.read(), 10)).endswith(b"page\n")
            writer.close()
        await pod.delete(grace_period=0)
        await asyncio.wait_for(following, 20)
        assert seen[0] == ("ADDED", "async")
        assert seen[-1] == ("DELETED", "async")

    cluster.inside(lambda: asyncio.run(work()))
