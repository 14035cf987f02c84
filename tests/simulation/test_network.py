"""The virtual network: Services of every type, names, hops, latency, and what goes wrong on the way."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from roost.simulation import Cluster, Context, Fault, Image, Request


class Web(Image):
    """Answers with its pod's name; /bad makes it unready, /slow takes 5 s, /die ends it."""

    name, version = "web", "1.0"

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
        healthy = True

        async def respond(request: Request) -> Any:
            nonlocal healthy
            match request.path:
                case "/bad" | "/good":
                    healthy = request.path == "/good"
                case "/ready":
                    return 200 if healthy else 503, "ready" if healthy else "not ready"
                case "/slow":
                    await ctx.sleep(5)
                case "/from":
                    return request.source
                case "/broken":
                    raise ValueError("a bug")
                case "/die":
                    ctx.spawn(die())
                    await ctx.sleep(60)
            return ctx.pod.name

        async def die() -> None:
            ctx.exit(9)

        return await ctx.serve(8080, respond)


WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: main
        image: web:1.0
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 1, failureThreshold: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http, nodePort: 31000}]
---
apiVersion: v1
kind: Service
metadata: {name: each}
spec: {clusterIP: None, selector: {app: web}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: sticky}
spec: {selector: {app: web}, sessionAffinity: ClientIP, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere}
spec: {type: ExternalName, externalName: api.example.com}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {containers: [{name: main, image: busybox, command: [pause]}]}
"""


@pytest.fixture(scope="module")
def running():
    with Cluster(nodes=3) as cluster:
        cluster.register(Web)
        cluster.apply(WEB)
        cluster.run_until(lambda: ready(cluster) == 3)
        cluster.advance(2)
        yield cluster


@pytest.fixture
def fresh():
    with Cluster(nodes=3) as cluster:
        cluster.register(Web)
        cluster.apply(WEB)
        cluster.run_until(lambda: ready(cluster) == 3)
        cluster.advance(2)
        yield cluster


def ready(cluster: Cluster) -> int:
    status = cluster.client.get("deployments", "web", "default").get("status") or {}
    return status.get("readyReplicas", 0)


def pods(cluster: Cluster) -> list[dict[str, Any]]:
    return [
        one for one in cluster.client.list("pods", "default") if one["metadata"]["name"] != "client"
    ]


def test_a_node_port_spreads_requests_evenly(running):
    found = Counter(running.fetch("http://node-2:31000/").text for _ in range(9))
    assert sorted(found.values()) == [3, 3, 3]


def test_every_station_of_the_way_is_told(running):
    answer = running.fetch("http://node-1:31000/", "default/client")
    kinds = [(hop.kind, hop.name) for hop in answer.hops]
    assert kinds == [
        ("pod", "default/client"), ("node", "node-1"), ("service", "default/web"),
        ("pod", f"default/{answer.text}"),
    ]  # fmt: skip
    assert answer.hops[-1].port == 8080
    exchange = running.requests[-1]
    assert (exchange.status, exchange.probe, exchange.hops) == (200, False, answer.hops)
    assert any(one.probe for one in running.requests)


@pytest.mark.parametrize(
    "host", ["web", "web.default", "web.default.svc", "web.default.svc.cluster.local"]
)
def test_a_service_has_every_form_of_its_name(running, host):
    result = running.exec("client", ["wget", "-qO-", f"http://{host}/"])
    assert result.stdout in {one["metadata"]["name"] for one in pods(running)}


def test_names_of_every_kind(running):
    addresses = {one["status"]["podIP"] for one in pods(running)}
    lookup = running.machines.names.lookup

    def ask(name: str, type: str = "A") -> list[Any]:
        from roost.simulation.network.names import Resolv

        return [record.data for record in lookup(name, type, Resolv(("10.96.0.10",)))]

    assert set(ask("each.default.svc.cluster.local")) == addresses
    assert len(ask("_http._tcp.each.default.svc.cluster.local", "SRV")) == 3
    service = running.client.get("services", "web", "default")["spec"]["clusterIP"]
    assert ask("web.default.svc.cluster.local") == [service]
    assert ask("10-244-0-2.default.pod.cluster.local") == ["10.244.0.2"]
    assert ask("elsewhere.default.svc.cluster.local", "CNAME") == ["api.example.com"]
    with pytest.raises(Fault, match="ENOTFOUND"):
        ask("nothing.default.svc.cluster.local")


def test_a_name_that_is_not_there(running):
    with pytest.raises(Fault) as caught:
        running.fetch("http://nothing.example/")
    assert caught.value.code == "ENOTFOUND"


def test_an_external_name_leads_outside(running):
    running.outside("api.example.com", lambda request: f"outside, for {request.host}")
    result = running.exec("client", ["curl", "-s", "http://elsewhere/x"])
    assert result.stdout == "outside, for elsewhere"


def test_a_pod_is_reached_at_its_own_address_and_sees_who_asks(running):
    target = pods(running)[0]["status"]["podIP"]
    client = running.client.get("pods", "client", "default")["status"]["podIP"]
    answer = running.fetch(f"http://{target}:8080/from", "default/client")
    assert answer.text == client


def test_affinity_keeps_a_client_on_one_pod(running):
    found = {running.fetch("http://sticky/", "default/client").text for _ in range(6)}
    assert len(found) == 1


def test_a_port_where_nobody_listens_refuses(running):
    target = pods(running)[0]["status"]["podIP"]
    with pytest.raises(Fault) as caught:
        running.fetch(f"http://{target}:9/")
    assert caught.value.code == "ECONNREFUSED"
    with pytest.raises(Fault) as caught:
        running.fetch("http://10.244.9.9/")
    assert caught.value.code == "EHOSTUNREACH"


def test_https_is_refused_by_name(running):
    with pytest.raises(ValueError, match="only http:// is simulated"):
        running.fetch("https://web/")


def test_a_server_with_a_bug_answers_500_and_goes_on(running):
    assert running.fetch("http://node-1:31000/broken").status == 500
    assert running.fetch("http://node-1:31000/").status == 200


def test_who_is_not_ready_gets_nothing_and_none_ready_refuses(fresh):
    victims = pods(fresh)
    first = victims[0]
    fresh.fetch(f"http://{first['status']['podIP']}:8080/bad")
    fresh.advance(2)
    found = {fresh.fetch("http://node-1:31000/").text for _ in range(9)}
    assert len(found) == 2
    assert first["metadata"]["name"] not in found
    for one in victims[1:]:
        fresh.fetch(f"http://{one['status']['podIP']}:8080/bad")
    fresh.advance(2)
    with pytest.raises(Fault, match="ECONNREFUSED"):
        fresh.fetch("http://node-1:31000/")
    fresh.fetch(f"http://{first['status']['podIP']}:8080/good")
    fresh.advance(2)
    assert fresh.fetch("http://node-1:31000/").text == first["metadata"]["name"]


def test_a_request_is_cut_when_its_server_dies(fresh):
    with pytest.raises(Fault) as caught:
        fresh.fetch("http://node-1:31000/die")
    assert caught.value.code == "ECONNRESET"
    fresh.advance(15)
    assert ready(fresh) == 3


def test_time_passes_while_a_server_is_slow_and_patience_has_an_end(fresh):
    before = fresh.now
    assert fresh.fetch("http://node-1:31000/slow").status == 200
    assert fresh.now - before == pytest.approx(5)
    with pytest.raises(Fault, match="ETIMEDOUT"):
        fresh.fetch("http://node-1:31000/slow", timeout_s=1)


def test_latency_is_between_every_two_stations():
    with Cluster(nodes=1, latency=lambda _from, _to: 0.010) as cluster:
        cluster.register(Web)
        cluster.apply(WEB)
        cluster.run_until(lambda: ready(cluster) == 3)
        cluster.advance(1)
        before = cluster.now
        answer = cluster.fetch("http://node-1:31000/")
        assert cluster.now - before == pytest.approx(0.020 * (len(answer.hops) - 1))
        exchange = cluster.requests[-1]
        assert exchange.ended - exchange.began == pytest.approx(0.020 * (len(answer.hops) - 1))


def test_nothing_crosses_a_partition_but_a_node_goes_on_by_itself(fresh):
    by_node = {one["spec"]["nodeName"]: one for one in pods(fresh)}
    fresh.partition("node-2")
    far = by_node["node-2"]["status"]["podIP"]
    with pytest.raises(Fault, match="ETIMEDOUT"):
        fresh.fetch(f"http://{far}:8080/", "node-1", timeout_s=2)
    assert fresh.fetch(f"http://{far}:8080/", "node-2").status == 200
    fresh.heal("node-2")
    assert fresh.fetch(f"http://{far}:8080/", "node-1").status == 200


def test_a_host_port_and_the_host_network(fresh):
    fresh.apply(
        """
apiVersion: v1
kind: Pod
metadata: {name: ported}
spec:
  nodeName: node-3
  containers: [{name: main, image: "web:1.0", ports: [{containerPort: 8080, hostPort: 8888}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: hosted}
spec:
  nodeName: node-2
  hostNetwork: true
  containers: [{name: main, image: "web:1.0"}]
"""
    )
    fresh.advance(1)
    assert fresh.fetch("http://node-3:8888/").text == "ported"
    assert fresh.fetch("http://node-2:8080/").text == "hosted"
    fresh.client.delete("pods", "ported", "default")
    fresh.advance(40)
    with pytest.raises(Fault, match="ECONNREFUSED"):
        fresh.fetch("http://node-3:8888/")


def test_observers_see_each_request_once(fresh):
    seen: list[str] = []
    fresh.on_request(lambda exchange: seen.append(exchange.url) if not exchange.probe else None)
    fresh.fetch("http://node-1:31000/", headers={"X-Request-Id": "r1"})
    assert seen == ["http://node-1:31000/"]
    assert fresh.requests[-1].request_id == "r1"


def test_services_go_on_while_the_api_server_is_down(fresh):
    fresh.crash("server")
    assert fresh.fetch("http://node-1:31000/").status == 200
    fresh.advance(30)
    assert fresh.fetch("http://node-1:31000/").status == 200
    fresh.restart("server")


def test_a_number_is_a_status_and_localhost_is_the_node():
    class Teapot(Image):
        name = "teapot"

        async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
            return await ctx.serve(80, lambda request: 418)

    with Cluster(nodes=1) as cluster:
        cluster.register(Teapot)
        spec = {"hostNetwork": True, "containers": [{"name": "main", "image": "teapot"}]}
        cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
        cluster.advance(1)
        answer = cluster.fetch("http://localhost/")
        assert (answer.status, answer.body) == (418, b"")


def test_a_network_policy_keeps_out_whom_it_does_not_name(fresh):
    deny = {
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "deny"},
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}},
    }  # fmt: skip
    client = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "cl", "labels": {"role": "friend"}},
        "spec": {"containers": [{"name": "main", "image": "pause"}]},
    }  # fmt: skip
    fresh.apply([client, deny])
    fresh.advance(2)
    with pytest.raises(Fault, match="ETIMEDOUT"):
        fresh.fetch("http://web/", source="default/cl", timeout_s=3)
    fresh.advance(30)
    pods = fresh.client.list("pods", "default", labels="app=web")
    assert all(one["status"]["containerStatuses"][0]["ready"] for one in pods)  # probes pass
    peer = {"podSelector": {"matchLabels": {"role": "friend"}}}
    deny["spec"]["ingress"] = [{"from": [peer], "ports": [{"port": "http"}]}]
    fresh.apply(deny)
    fresh.advance(1)
    assert fresh.fetch("http://web/", source="default/cl").status == 200


def test_a_load_balancer_has_the_addresses_of_the_nodes(fresh):
    spec = {"type": "LoadBalancer", "selector": {"app": "web"},
            "ports": [{"port": 8000, "targetPort": "http"}]}  # fmt: skip
    fresh.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "lb"}, "spec": spec})
    fresh.advance(2)
    ingress = fresh.client.get("svc", "lb")["status"]["loadBalancer"]["ingress"]
    assert [fresh.fetch(f"http://{one['ip']}:8000/").status for one in ingress] == [200] * len(
        fresh.nodes
    )


def test_grpc_probes_ask_for_health():
    class Grpc(Image):
        name = "grpc"

        async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
            def status(service: str) -> str:
                return "NOT_SERVING" if service == "db" and ctx.files.exists("/ill") else "SERVING"

            ctx.listen_health(9000, status)
            return await ctx.serve(80, lambda request: "no health here")

    with Cluster(nodes=1) as cluster:
        cluster.register(Grpc)
        grpc = {"port": 9000, "service": "db"}
        probe = {"grpc": grpc, "periodSeconds": 1, "failureThreshold": 1}
        container = {"name": "main", "image": "grpc", "readinessProbe": probe}
        wrong = {**container, "name": "wrong", "readinessProbe": {"grpc": {"port": 80}}}
        for name, one in (("right", container), ("wrong", wrong)):
            cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
                           "spec": {"containers": [one]}})  # fmt: skip
        cluster.advance(3)

        def ready(name: str) -> bool:
            return cluster.client.get("pod", name)["status"]["containerStatuses"][0]["ready"]

        assert (ready("right"), ready("wrong")) == (True, False)
        cluster.exec("right", ["touch", "/ill"])
        cluster.advance(2)
        assert not ready("right")
        told = [event["message"] for event in cluster.events("default")]
        assert any('service unhealthy (responded with "NOT_SERVING")' in one for one in told)
        assert any("does not implement the grpc health protocol" in one for one in told)
