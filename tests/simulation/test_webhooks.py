"""Webhooks of a simulated cluster: workloads through its network, real servers where it is served."""

from __future__ import annotations

import base64
import http.server
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from roost.adapters.real.clock import SystemClock
from roost.adapters.real.crossing import wait_while
from roost.adapters.virtual.files import MemoryFiles
from roost.api.errors import InternalError, StatusError
from roost.apiserver.pki.authority import Authority
from roost.client.kubeconfig import Connection
from roost.simulation import Cluster, Context, Image, Request
from roost.simulation.replay import ReplayError
from roost.simulation.serving.served import Served

Answer = Callable[[dict[str, Any]], dict[str, Any]]


def reviewed(review: dict[str, Any]) -> dict[str, Any]:
    """Answer an AdmissionReview: what is called bad is denied, anything else gets a label."""
    asked = review["request"]
    response: dict[str, Any] = {"uid": asked["uid"], "allowed": True}
    if asked["name"] == "bad":
        response |= {"allowed": False, "status": {"message": "no bad ones"}}
    elif asked["operation"] == "CREATE":
        patch = [{"op": "add", "path": "/metadata/labels", "value": {"seen": "yes"}}]
        coded = base64.b64encode(json.dumps(patch).encode()).decode()
        response |= {"patch": coded, "patchType": "JSONPatch"}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


def converted(review: dict[str, Any]) -> dict[str, Any]:
    """Answer a ConversionReview: spec.a is spec.b in v2."""
    asked = review["request"]
    wanted = asked["desiredAPIVersion"]
    old, new = ("b", "a") if wanted.endswith("/v1") else ("a", "b")
    made = [
        {**one, "apiVersion": wanted, "spec": {new: one["spec"][old]}} for one in asked["objects"]
    ]
    response = {"uid": asked["uid"], "result": {"status": "Success"}, "convertedObjects": made}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": response,
    }  # fmt: skip


WIDGETS = {
    "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "ext.example.com/v1",
    "resources": [
        {"name": "widgets", "singularName": "widget", "namespaced": True, "kind": "Widget",
         "verbs": ["list", "create"]},
    ],
}  # fmt: skip


class Hook(Image):
    """A workload that answers reviews, and serves an API of its own."""

    name = "hook"

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
        async def respond(request: Request) -> Any:
            path, _, query = request.path.partition("?")
            match path:
                case "/slow":
                    await ctx.sleep(20)
                    return {}
                case "/broken":
                    return 500, "oh dear"
                case "/convert":
                    return converted(request.json())
                case "/apis/ext.example.com/v1":
                    return WIDGETS
                case "/apis/ext.example.com/v1/namespaces/default/widgets":
                    who = request.header("x-remote-user")
                    return {"kind": "Widget", "by": who, "sent": request.body.decode()}
            ctx.print(path, query, request.host)
            return reviewed(request.json())

        return await ctx.serve(8443, respond)


HOOK = """
apiVersion: v1
kind: Pod
metadata: {name: hook, labels: {app: hook}}
spec: {containers: [{name: main, image: hook}]}
---
apiVersion: v1
kind: Service
metadata: {name: hook}
spec: {selector: {app: hook}, ports: [{port: 443, targetPort: 8443}]}
"""
CONFIG_MAPS = {
    "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["*"],
}  # fmt: skip


def in_service(path: str = "/review") -> dict[str, Any]:
    return {"service": {"name": "hook", "namespace": "default", "path": path}}


def webhook(client: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a configuration with one mutating webhook for config maps in "default"."""
    hook = {
        "name": "hook.example.com", "clientConfig": client, "rules": [CONFIG_MAPS],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}},
        "sideEffects": "None", "admissionReviewVersions": ["v1"], **more,
    }  # fmt: skip
    return {
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "hook"}, "webhooks": [hook],
    }  # fmt: skip


def config_map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


def runs(cluster: Cluster) -> bool:
    """Whether the Service has an endpoint."""
    named = "kubernetes.io/service-name=hook"
    slices = cluster.client.list("endpointslices", "default", labels=named)
    return any(one.get("endpoints") for one in slices)


def begin(cluster: Cluster) -> None:
    cluster.register(Hook)
    cluster.apply(HOOK)
    cluster.run_until(lambda: runs(cluster))


# -- through the virtual network


def test_a_workload_mutates_and_denies() -> None:
    with Cluster(nodes=1) as cluster:
        begin(cluster)
        cluster.apply(webhook(in_service()))
        before = cluster.now
        cluster.apply(config_map("good"))
        assert cluster.client.get("cm", "good")["metadata"]["labels"] == {"seen": "yes"}
        with pytest.raises(StatusError) as caught:
            cluster.apply(config_map("bad"))
        assert str(caught.value) == (
            'admission webhook "hook.example.com" denied the request: no bad ones'
        )
        assert cluster.now == before
        (said, _) = cluster.logs("hook").splitlines()
        assert said == "/review timeout=10s hook.default.svc:443"
        exchange = next(one for one in cluster.requests if one.method == "POST")
        assert [hop.kind for hop in exchange.hops] == ["outside", "service", "pod"]
        assert exchange.url == "https://hook.default.svc:443/review?timeout=10s"


def test_a_validating_webhook_and_one_that_fails() -> None:
    with Cluster(nodes=1) as cluster:
        begin(cluster)
        config = webhook(in_service(), name="v.example.com")
        config |= {"kind": "ValidatingWebhookConfiguration"}
        config["webhooks"][0]["rules"] = [{**CONFIG_MAPS, "operations": ["DELETE"]}]
        cluster.apply([config, config_map("bad"), config_map("good")])
        with pytest.raises(StatusError, match="no bad ones"):
            cluster.client.delete("cm", "bad")
        cluster.client.delete("cm", "good")
        cluster.apply(webhook(in_service("/broken")))
        with pytest.raises(InternalError) as caught:
            cluster.apply(config_map("other"))
        assert str(caught.value) == (
            'Internal error occurred: failed calling webhook "hook.example.com": failed to call '
            'webhook: an error on the server ("oh dear") has prevented the request from succeeding'
        )


FAILED = (
    'Internal error occurred: failed calling webhook "hook.example.com": failed to call webhook: '
)
POST = 'Post "https://hook.default.svc:443/review?timeout=10s": '


def test_a_service_without_endpoints_refuses() -> None:
    with Cluster(nodes=1) as cluster:
        cluster.register(Hook)
        cluster.apply(webhook(in_service()))
        with pytest.raises(InternalError) as caught:
            cluster.apply(config_map("a"))
        assert str(caught.value) == f'{FAILED}{POST}service "hook" not found'
        _, service = cluster.apply(HOOK)
        address = service["spec"]["clusterIP"]
        with pytest.raises(InternalError) as caught:
            cluster.apply(config_map("a"))
        refused = f"dial tcp {address}:443: connect: connection refused"
        assert str(caught.value) == FAILED + POST + refused
        cluster.apply(webhook(in_service(), failurePolicy="Ignore"))
        cluster.apply(config_map("a"))
        assert "labels" not in cluster.client.get("cm", "a")["metadata"]


def test_a_slow_webhook_takes_the_clusters_time() -> None:
    with Cluster(nodes=1) as cluster:
        begin(cluster)
        cluster.apply(webhook(in_service("/slow"), timeoutSeconds=3))
        before = cluster.now
        with pytest.raises(InternalError, match=r"context deadline exceeded$"):
            cluster.apply(config_map("a"))
        assert cluster.now == before + 3


def test_a_partition_is_between_a_webhook_and_the_server() -> None:
    with Cluster(nodes=1) as cluster:
        begin(cluster)
        cluster.apply(webhook(in_service(), timeoutSeconds=5))
        cluster.partition("node-1")
        with pytest.raises(InternalError, match=r"context deadline exceeded$"):
            cluster.apply(config_map("a"))
        cluster.heal("node-1")
        cluster.apply(config_map("a"))


def test_a_url_is_called_only_where_the_simulation_knows_it() -> None:
    with Cluster(nodes=1) as cluster:
        cluster.apply(webhook({"url": "https://hooks.example.com/review"}))
        with pytest.raises(InternalError) as caught:
            cluster.apply(config_map("a"))
        assert str(caught.value) == (
            f'{FAILED}Post "https://hooks.example.com/review?timeout=10s": '
            "a simulated cluster without a server calls no url"
        )
        cluster.outside("hooks.example.com", lambda request: reviewed(request.json()), 443)
        cluster.apply(config_map("a"))
        assert cluster.client.get("cm", "a")["metadata"]["labels"] == {"seen": "yes"}
        cluster.apply(webhook({"url": "https://elsewhere.example.com/"}, failurePolicy="Ignore"))
        cluster.apply(config_map("b"))
        assert cluster.recording.left == ""


def slowly(_from: object, _to: object) -> float:
    return 0.05


def versioned(client: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a definition whose versions a webhook converts."""

    def version(name: str, field: str, **more: Any) -> dict[str, Any]:
        spec = {"type": "object", "properties": {field: {"type": "integer"}}}
        schema = {"type": "object", "properties": {"spec": spec}}
        return {"name": name, "served": True, "schema": {"openAPIV3Schema": schema}, **more}

    conversion = {
        "strategy": "Webhook",
        "webhook": {
            "clientConfig": client or in_service("/convert"), "conversionReviewVersions": ["v1"],
        },
    }  # fmt: skip
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "toys.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "conversion": conversion,
            "names": {"plural": "toys", "singular": "toy", "kind": "Toy", "listKind": "ToyList"},
            "versions": [
                version("v1", "a", storage=True), version("v2", "b", storage=False),
            ],
        },
    }  # fmt: skip


def toy(name: str, version: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": f"example.com/{version}", "kind": "Toy", "metadata": {"name": name},
        "spec": spec,
    }  # fmt: skip


def live(cluster: Cluster) -> None:
    """Let webhooks of all sorts be called, some of them by those who only look."""
    begin(cluster)
    cluster.apply([webhook(in_service()), versioned()])
    cluster.advance(5)
    cluster.apply([toy("x", "v1", {"a": 1}), config_map("good")])
    cluster.apply(toy("y", "v2", {"b": 2}))
    # What was converted for others is remembered by the server that did it; another one asks again.
    cluster.crash("server")
    cluster.restart("server")
    cluster.advance(5)
    v1, v2 = (
        next(k for k in cluster.plane.registry.kinds() if (k.name, k.version) == ("Toy", version))
        for version in ("v1", "v2")
    )
    assert cluster.client.get(v1.resource, "y")["spec"] == {"a": 2}
    toys = cluster.client.list(v2.resource, "default")
    assert [one["spec"] for one in toys] == [{"b": 1}, {"b": 2}]
    with pytest.raises(StatusError):
        cluster.apply(config_map("bad"))
    cluster.apply(config_map("good"))
    cluster.advance(5)


def test_calls_are_a_part_of_the_history() -> None:
    records, logs = [], []
    for _ in range(2):
        with Cluster(nodes=2, seed=3, latency=slowly) as cluster:
            live(cluster)
            records.append(cluster.snapshot().decode())
            logs.append(cluster.log)
    assert logs[0] == logs[1]
    assert "# list" in logs[0]
    code = {f"{one.__module__}:{one.__qualname__}": one for one in (Hook, slowly)}
    with Cluster.restore(records[0].encode(), code) as again:
        assert again.log == logs[0]
        assert again.record in records[1]
    with pytest.raises(ReplayError, match="slowly: hand it to the replay"):
        Cluster.restore(records[0].encode(), {})


def test_a_conversion_that_fails_says_why() -> None:
    with Cluster(nodes=1) as cluster:
        cluster.register(Hook)
        cluster.apply(versioned())
        cluster.advance(5)
        with pytest.raises(StatusError) as caught:
            cluster.apply(toy("y", "v2", {"b": 2}))
        assert str(caught.value) == (
            "conversion webhook for example.com/v2, Kind=Toy failed: "
            'Post "https://hook.default.svc:443/convert?timeout=30s": service "hook" not found'
        )


# -- where the cluster is served


@contextmanager
def listening(answer: Answer) -> Iterator[dict[str, Any]]:
    """A webhook server on loopback, in a thread; gives its clientConfig."""
    authority = Authority.open(MemoryFiles(), "pki", SystemClock())
    identity = authority.kubelet_server("hook", ["127.0.0.1"])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    Connection(
        "", "", identity.certificate.decode(), identity.key.decode()
    ).load_certificate(tls)  # fmt: skip

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = json.dumps(answer(json.loads(self.rfile.read(length)))).encode()
            with suppress(OSError):  # whoever asked may be gone
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        bundle = base64.b64encode(authority.certificate).decode()
        yield {"url": f"https://127.0.0.1:{server.server_port}/review", "caBundle": bundle}
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(served: Served, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """Send a request to the served API, as any client would."""
    import urllib.error
    import urllib.request

    from roost.client.kubeconfig import load_kubeconfig

    connection = load_kubeconfig(served.kubeconfig)
    request = urllib.request.Request(
        served.url + path, method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {connection.token}", "Content-Type": "application/json"},
    )  # fmt: skip
    tls = ssl.create_default_context(cadata=connection.ca)
    try:
        with urllib.request.urlopen(request, context=tls, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        media = error.headers.get_content_type()
        return error.code, json.load(error) if media == "application/json" else error.read()


def test_a_real_webhook_is_called_while_time_stands_still(tmp_path: Path) -> None:
    with Cluster(nodes=1) as cluster, Served(cluster) as served:
        seen: list[Any] = []

        def answer(review: dict[str, Any]) -> dict[str, Any]:
            # Whoever is asked may ask the cluster in turn.
            seen.append(ask(served, "GET", "/api/v1/namespaces/default")[1]["metadata"]["name"])
            return reviewed(review)

        with listening(answer) as client:
            cluster.apply(webhook(client))
            before = cluster.now
            cluster.apply(config_map("a"))
            assert cluster.now == before
            assert cluster.client.get("cm", "a")["metadata"]["labels"] == {"seen": "yes"}
            with pytest.raises(StatusError, match="no bad ones"):
                cluster.apply(config_map("bad"))
            path = "/api/v1/namespaces/default/configmaps"
            code, made = ask(served, "POST", path, config_map("b"))
            assert (code, made["metadata"]["labels"]) == (201, {"seen": "yes"})
            assert ask(served, "POST", path, config_map("bad"))[0] == 400
            assert seen == ["default"] * 4
            served.advance(60)
            assert cluster.now == before + 60
        assert f"# outside, not replayable: POST {client['url']}\n" in cluster.log
        with pytest.raises(ReplayError, match=r"cannot be played again: https://127\.0\.0\.1:"):
            Cluster.replay(cluster.record)
        with pytest.raises(ReplayError, match="outside of the simulation"):
            cluster.snapshot()
        with pytest.raises(InternalError, match=r"connect: connection refused$"):
            cluster.apply(config_map("c"))
        cluster.apply(webhook({**client, "caBundle": ""}, failurePolicy="Ignore"))
        cluster.apply(config_map("c"))
        assert served.failure is None


def test_a_real_webhook_converts() -> None:
    with Cluster(nodes=1) as cluster, Served(cluster) as served, listening(converted) as client:
        cluster.apply(versioned(client))
        cluster.advance(5)
        cluster.apply(toy("y", "v2", {"b": 2}))
        path = "/apis/example.com/v1/namespaces/default/toys/y"
        code, found = ask(served, "GET", path)
        assert (code, found["spec"]) == (200, {"a": 2})
        assert cluster.recording.left == client["url"]


def test_a_certificate_of_nobody_is_not_believed() -> None:
    with Cluster(nodes=1) as cluster, Served(cluster), listening(reviewed) as client:
        cluster.apply(webhook({"url": client["url"]}))
        with pytest.raises(InternalError, match="x509: certificate signed by unknown authority"):
            cluster.apply(config_map("a"))


def test_time_that_passes_by_itself_waits_for_a_real_webhook() -> None:
    with Cluster(nodes=1) as cluster, Served(cluster, realtime=True) as served:
        cluster.speed = 1000
        times: list[float] = []

        def answer(review: dict[str, Any]) -> dict[str, Any]:
            times.append(cluster.now)
            for _ in range(3):
                ask(served, "GET", "/version")
            times.append(cluster.now)
            return reviewed(review)

        with listening(answer) as client:
            cluster.apply(webhook(client))
            path = "/api/v1/namespaces/default/configmaps"
            assert ask(served, "POST", path, config_map("b"))[0] == 201
            assert len(times) == 2
            assert times[0] == times[1]
        before = cluster.now
        assert wait_while(lambda: cluster.now < before + 1, 20)  # it passes again
        assert served.failure is None


def test_who_waits_for_a_real_webhook_is_told_when_the_server_ends() -> None:
    asked, never = threading.Event(), threading.Event()

    def answer(review: dict[str, Any]) -> dict[str, Any]:
        asked.set()
        never.wait(20)
        return reviewed(review)

    with Cluster(nodes=1) as cluster, listening(answer) as client:
        served = Served(cluster)
        cluster.apply(webhook(client))

        def end() -> None:
            asked.wait(20)
            served.close()

        ending = threading.Thread(target=end)
        ending.start()
        with pytest.raises(InternalError, match=r"the cluster is served no longer$"):
            cluster.apply(config_map("a"))
        ending.join()
        never.set()
        with pytest.raises(InternalError, match=r"without a server calls no url$"):
            cluster.apply(config_map("a"))
        cluster.advance(10)


def test_a_crash_of_the_server_ends_its_calls() -> None:
    asked, never = threading.Event(), threading.Event()

    def answer(review: dict[str, Any]) -> dict[str, Any]:
        asked.set()
        never.wait(20)
        return reviewed(review)

    with Cluster(nodes=1) as cluster, Served(cluster) as served, listening(answer) as client:
        cluster.apply(webhook(client))
        path = "/api/v1/namespaces/default/configmaps"
        errors: list[BaseException] = []

        def post() -> None:
            try:
                ask(served, "POST", path, config_map("b"))
            except OSError as error:
                errors.append(error)

        posting = threading.Thread(target=post)
        posting.start()
        assert asked.wait(20)
        cluster.crash("server")
        posting.join(20)
        assert errors  # the connection was closed without an answer
        cluster.restart("server")
        before = cluster.now
        cluster.advance(5)
        assert cluster.now == before + 5
        never.set()


# -- extension servers


def test_a_workload_is_an_extension_server() -> None:
    with Cluster(nodes=1) as cluster, Served(cluster) as served:
        begin(cluster)
        service = {
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": {"name": "v1.ext.example.com"},
            "spec": {
                "group": "ext.example.com", "version": "v1", "groupPriorityMinimum": 100,
                "versionPriority": 10, "insecureSkipTLSVerify": True,
                "service": {"name": "hook", "namespace": "default"},
            },
        }  # fmt: skip
        cluster.apply(service)

        def available() -> bool:
            found = cluster.client.get("apiservices", "v1.ext.example.com")
            return any(
                one["status"] == "True"
                for one in (found.get("status") or {}).get("conditions") or ()
            )

        served.run_until(available)
        path = "/apis/ext.example.com/v1"
        assert ask(served, "GET", path)[1]["resources"] == WIDGETS["resources"]
        code, answer = ask(served, "POST", f"{path}/namespaces/default/widgets", {"a": 1})
        wanted = {"kind": "Widget", "by": "kubernetes-admin", "sent": '{"a": 1}'}
        assert (code, answer) == (200, wanted)
        proxy = "/api/v1/namespaces/default/services/https:hook:443/proxy/apis/ext.example.com/v1"
        assert ask(served, "GET", proxy)[1]["kind"] == "APIResourceList"
        _, answer = ask(served, "POST", f"{proxy}/namespaces/default/widgets", [1])
        assert answer["sent"] == "[1]"
        cluster.client.delete("pods", "hook")
        served.run_until(lambda: not available())
        (condition,) = cluster.client.get("apiservices", "v1.ext.example.com")["status"][
            "conditions"
        ]
        assert condition["reason"] == "MissingEndpoints"
        refused = ask(served, "GET", f"{path}/namespaces/default/widgets")
        assert refused == (503, b"service unavailable\n")
