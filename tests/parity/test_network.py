"""Services, names and endpoints: who answers, who does not, and under which names."""

from __future__ import annotations

import pytest

from parity.manifests import SERVE, deployment, pod, service, statefulset
from parity.target import Object, Target

WEB = {"ports": [{"name": "http", "containerPort": 8080}]}
PROBED = {
    **WEB,
    "readinessProbe": {
        "httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1,
    },
}  # fmt: skip


def web(name: str, app: str = "web", **more: object) -> Object:
    return pod(name, SERVE, labels={"app": app}, container=dict(WEB), **more)


def answers(target: Target, url: str, count: int) -> set[str]:
    return {target.fetch(url).out.strip() for _ in range(count)}


def reaches(target: Target, url: str, text: str) -> None:
    """Wait until a URL is answered so."""
    target.wait(lambda: target.fetch(url).out == text, what=lambda: target.fetch(url))


def test_a_cluster_ip(target: Target):
    made = target.create(service("web"))
    target.start(web("web"))
    reaches(target, f"http://{made['spec']['clusterIP']}/", "web\n")


def test_requests_are_spread_over_ready_pods(target: Target):
    target.create(service("web"))
    target.create(web("a"), web("b"))
    target.ready("a", "b")
    target.wait(lambda: answers(target, "http://web/", 3) == {"a", "b"})


def test_a_pod_is_reached_at_its_address(target: Target):
    target.start(web("web"))
    ip = target.get("pods", "web")["status"]["podIP"]
    assert target.fetch(f"http://{ip}:8080/").out == "web\n"
    refused = target.fetch(f"http://{ip}:9/")
    assert refused.code != 0
    assert "refused" in refused.err.lower() or "connect" in refused.err.lower()


def test_a_pod_reaches_itself_through_its_service(target: Target):
    target.create(service("web"))
    target.start(web("self"))
    target.wait(lambda: target.fetch("http://web/", "self").out == "self\n")


def test_a_target_port_by_name(target: Target):
    target.create(service("web", 80, "http"))
    target.start(web("web"))
    reaches(target, "http://web/", "web\n")


def test_several_ports(target: Target):
    ports = [
        {"name": "a", "port": 80, "targetPort": 8080},
        {"name": "b", "port": 81, "targetPort": 8080},
    ]
    target.create(service("web", ports=ports))
    target.start(web("web"))
    reaches(target, "http://web:81/", "web\n")


def test_a_port_that_no_service_has(target: Target):
    target.create(service("web"))
    target.start(web("web"))
    reaches(target, "http://web/", "web\n")
    assert target.fetch("http://web:82/").code != 0


def test_a_service_without_endpoints_refuses_at_once(target: Target):
    target.create(service("web"))
    target.client_pod()
    began = target.now()

    def refused() -> bool:  # at first the name may not be known yet
        answer = target.fetch("http://web/")
        return answer.code != 0 and any(w in answer.err.lower() for w in ("refused", "connect"))

    target.wait(refused)
    assert target.now() - began < 30


def test_a_pod_that_is_not_ready_gets_no_requests(target: Target):
    target.create(service("web"))
    for name in ("a", "b"):
        target.create(pod(name, SERVE, labels={"app": "web"}, container=dict(PROBED)))
    target.ready("a", "b")
    target.exec("a", "rm", "/tmp/www/index.html")
    target.wait(lambda: answers(target, "http://web/", 4) == {"b"})
    target.exec("a", "sh", "-c", "hostname > /tmp/www/index.html")
    target.wait(lambda: answers(target, "http://web/", 4) == {"a", "b"})


def test_endpoint_slices(target: Target):
    target.create(service("web"))
    target.start(web("web"))

    def slices() -> list[Object]:
        return target.list("endpointslices", "kubernetes.io/service-name=web")

    target.wait(lambda: slices() and slices()[0].get("endpoints"))
    [one] = slices()
    assert one["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    [endpoint] = one["endpoints"]
    assert endpoint["addresses"] == [target.get("pods", "web")["status"]["podIP"]]
    target.wait(lambda: slices()[0]["endpoints"][0]["conditions"].get("ready") is True)
    assert endpoint["targetRef"]["name"] == "web"
    target.wait(lambda: target.get("endpoints", "web").get("subsets", [{}])[0].get("addresses"))
    target.delete("pods", "web")
    target.wait(lambda: not slices()[0].get("endpoints"))


def test_endpoints_of_pods_that_are_not_ready(target: Target):
    target.create(service("web"))
    never = {"readinessProbe": {"exec": {"command": ["false"]}, "periodSeconds": 1}}
    target.create(pod("web", container=never))
    target.wait(
        lambda: target.find("endpoints", "web").get("subsets", [{}])[0].get("notReadyAddresses")
    )


def test_a_service_may_publish_what_is_not_ready(target: Target):
    target.create(service("web", clusterIP="None", publishNotReadyAddresses=True))
    never = {"readinessProbe": {"exec": {"command": ["false"]}, "periodSeconds": 1}}
    target.create(pod("web", SERVE, container=never))
    target.wait(lambda: target.fetch("http://web:8080/").out == "web\n")


def test_a_node_port(target: Target):
    made = target.create(service("web", type="NodePort"))
    port = made["spec"]["ports"][0]["nodePort"]
    assert 30000 <= port <= 32767
    target.start(web("web"))
    host = target.get("pods", "web")["status"]["hostIP"]
    reaches(target, f"http://{host}:{port}/", "web\n")


def test_a_node_port_is_given_once(target: Target):
    from roost.api.errors import Invalid

    made = target.create(service("one", type="NodePort"))
    port = made["spec"]["ports"][0]["nodePort"]
    wanted = service("two", type="NodePort", ports=[{"port": 80, "nodePort": port}])
    with pytest.raises(Invalid) as refused:
        target.create(wanted)
    assert "provided port is already allocated" in str(refused.value)


def test_a_cluster_ip_is_given_once(target: Target):
    from roost.api.errors import Invalid

    made = target.create(service("one"))
    with pytest.raises(Invalid) as refused:
        target.create(service("two", clusterIP=made["spec"]["clusterIP"]))
    assert "already allocated" in str(refused.value)


def test_affinity_by_client(target: Target):
    target.create(service("web", sessionAffinity="ClientIP"))
    target.create(web("a"), web("b"))
    target.ready("a", "b")
    target.wait(lambda: target.fetch("http://web/").code == 0)
    target.wait(lambda: len(target.list("endpointslices")[0]["endpoints"]) == 2)
    assert len(answers(target, "http://web/", 6)) == 1


def test_a_service_without_a_selector(target: Target):
    body = service("web")
    del body["spec"]["selector"]
    target.create(body)
    target.start(web("web"))
    ip = target.get("pods", "web")["status"]["podIP"]
    target.create(
        {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4", "ports": [{"name": "http", "port": 8080}],
            "endpoints": [{"addresses": [ip], "conditions": {"ready": True}}],
        }
    )  # fmt: skip
    reaches(target, "http://web/", "web\n")


# -- names


@pytest.mark.parametrize(
    "form", ["web", "web.NS", "web.NS.svc", "web.NS.svc.cluster.local", "web.NS.svc.cluster.local."]
)
def test_names_of_a_service(target: Target, form):
    target.create(service("web"))
    target.start(web("web"))
    reaches(target, f"http://{form.replace('NS', target.namespace)}/", "web\n")


def full(target: Target, name: str) -> str:
    return f"{name}.{target.namespace}.svc.cluster.local"


def test_a_name_leads_to_the_cluster_ip(target: Target):
    made = target.create(service("web"))
    name = full(target, "web")
    target.wait(
        lambda: made["spec"]["clusterIP"] in target.lookup(name, type="a").out,
        what=lambda: target.lookup(name, type="a"),
    )


def test_a_headless_name_leads_to_the_pods(target: Target):
    target.create(service("web", clusterIP="None"))
    target.create(web("a"), web("b"))
    target.ready("a", "b")
    ips = [target.get("pods", name)["status"]["podIP"] for name in ("a", "b")]

    def found() -> bool:
        said = target.lookup(full(target, "web"), type="a").out
        return all(ip in said for ip in ips)

    target.wait(found, what=lambda: target.lookup(full(target, "web"), type="a"))


def test_pods_of_a_stateful_set_have_names(target: Target):
    target.create(service("db", clusterIP="None"))
    target.create(statefulset("db", 2, SERVE))
    target.ready("db-0")
    target.ready("db-1")
    reaches(target, "http://db-1.db:8080/", "db-1\n")
    reaches(target, f"http://{full(target, 'db-0.db')}:8080/", "db-0\n")


def test_a_pod_with_a_subdomain_knows_its_full_name(target: Target):
    target.create(service("sub", clusterIP="None"))
    target.start(pod("a", SERVE, labels={"app": "sub"}, hostname="h", subdomain="sub"))
    reaches(target, "http://h.sub:8080/", "h\n")


def test_service_records(target: Target):
    target.create(service("web"))
    target.start(web("web"))
    name = f"_http._tcp.{full(target, 'web')}"
    said = target.wait(
        lambda: (one := target.lookup(name, type="srv")).code == 0 and one.out,
        what=lambda: target.lookup(name, type="srv"),
    )
    [line] = [line for line in said.splitlines() if "service =" in line]
    assert line.split()[-2:] == ["80", full(target, "web")]


def test_an_external_name(target: Target):
    body = service("out", type="ExternalName", externalName="example.invalid")
    del body["spec"]["selector"], body["spec"]["ports"]
    target.create(body)
    name = full(target, "out")
    target.wait(
        lambda: "example.invalid" in target.lookup(name, type="cname").out,
        what=lambda: target.lookup(name, type="cname"),
    )


def test_an_unknown_name(target: Target):
    assert target.lookup(full(target, "none"), type="a").code != 0
    assert target.fetch("http://none/").code != 0


def test_the_api_server_has_a_name(target: Target):
    ip = target.run(
        target.client.get(__import__("roost.decisions.resources", fromlist=["x"]).SERVICES,
                          "kubernetes", "default")
    )["spec"]["clusterIP"]  # fmt: skip
    assert ip in target.lookup("kubernetes.default.svc.cluster.local", type="a").out


def test_resolv_conf(target: Target):
    client = target.client_pod()
    text = target.exec(client, "cat", "/etc/resolv.conf").out
    assert f"search {target.namespace}.svc.cluster.local svc.cluster.local cluster.local" in text
    assert "options ndots:5" in text


def test_dns_policy_none(target: Target):
    config = {
        "nameservers": ["192.0.2.1"],
        "searches": ["x.test"],
        "options": [{"name": "ndots", "value": "2"}],
    }
    target.start(pod("a", dnsPolicy="None", dnsConfig=config))
    lines = target.exec("a", "cat", "/etc/resolv.conf").out.split("\n")
    assert {line.strip() for line in lines if line} == {
        "nameserver 192.0.2.1", "search x.test", "options ndots:2",
    }  # fmt: skip


def test_host_aliases(target: Target):
    aliases = [{"ip": "192.0.2.7", "hostnames": ["seven.test"]}]
    target.start(pod("a", hostAliases=aliases))
    text = target.exec("a", "cat", "/etc/hosts").out
    assert "192.0.2.7\tseven.test" in text
    assert f"{target.get('pods', 'a')['status']['podIP']}\ta" in text


def test_service_environment(target: Target):
    made = target.create(service("web"))
    target.start(pod("a"))
    said = target.exec("a", "sh", "-c", "echo $WEB_SERVICE_HOST $WEB_SERVICE_PORT $WEB_PORT").out
    ip = made["spec"]["clusterIP"]
    assert said == f"{ip} 80 tcp://{ip}:80\n"


def test_no_service_environment(target: Target):
    target.create(service("web"))
    target.start(pod("a", enableServiceLinks=False))
    assert (
        target.exec("a", "sh", "-c", "echo $WEB_SERVICE_HOST-$KUBERNETES_SERVICE_PORT").out
        == "-443\n"
    )


def test_a_rollout_loses_no_request(target: Target):
    probe = dict(PROBED)
    stop = {"preStop": {"sleep": {"seconds": 1}}}
    target.create(service("web"))
    target.create(
        deployment("web", 2, SERVE, strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
                   pods={"container": {**probe, "lifecycle": stop}, "terminationGracePeriodSeconds": 3})
    )  # fmt: skip
    target.wait(
        lambda: target.get("deployments", "web").get("status", {}).get("readyReplicas") == 2
    )
    target.wait(lambda: target.fetch("http://web/").code == 0)
    more = {"spec": {"template": {"metadata": {"annotations": {"rev": "2"}}}}}
    target.patch("deployments", "web", more)
    failures: list[object] = []

    def look() -> bool:
        answer = target.fetch("http://web/")
        if answer.code:
            failures.append(answer)
        status = target.get("deployments", "web")["status"]
        return (
            status.get("updatedReplicas")
            == 2
            == status.get("availableReplicas")
            == status["replicas"]
        )

    target.wait(look)
    assert failures == []
