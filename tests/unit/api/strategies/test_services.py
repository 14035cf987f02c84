"""Which addresses a Service needs, keeps and gives back."""

from typing import Any

from roost.api.kind import Change
from roost.api.strategies import services


def service(kind: str = "ClusterIP", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "s"},
        "spec": {"type": kind, "ports": [{"port": 80, "protocol": "TCP"}], **spec},
    }


def wanted(new: dict[str, Any], old: dict[str, Any] | None = None) -> services.Wanted:
    return services.wanted_addresses(Change(new, old))


def test_a_plain_service_needs_an_address() -> None:
    need = wanted(service())
    assert need.cluster_ip == ""
    assert not need.ports


def test_headless_and_external_ones_need_none() -> None:
    assert wanted(service(clusterIP="None")).cluster_ip is None
    assert wanted(service("ExternalName", externalName="x.example")).cluster_ip is None


def test_an_address_of_choice() -> None:
    assert wanted(service(clusterIP="10.96.0.9")).cluster_ip == "10.96.0.9"


def test_node_ports_are_needed_per_port() -> None:
    need = wanted(service("NodePort"))
    assert [(wish.index, wish.port) for wish in need.ports] == [(0, 0)]


def test_the_same_port_over_tcp_and_udp_shares_a_node_port() -> None:
    ports = [
        {"port": 53, "protocol": "TCP", "name": "t"},
        {"port": 53, "protocol": "UDP", "name": "u"},
    ]
    need = wanted(service("NodePort", ports=ports))
    assert [wish.shares for wish in need.ports] == [None, 0]


def test_addresses_are_kept_on_update() -> None:
    old = service(clusterIP="10.96.0.9", clusterIPs=["10.96.0.9"])
    new = service()
    change = Change(new, old)
    services.SERVICE(change)
    assert new["spec"]["clusterIP"] == "10.96.0.9"
    assert services.wanted_addresses(change).cluster_ip is None


def test_a_local_load_balancer_needs_a_health_port() -> None:
    need = wanted(service("LoadBalancer", externalTrafficPolicy="Local"))
    assert need.health_port == 0
    assert wanted(service("LoadBalancer")).health_port is None


def test_node_ports_leave_with_the_type() -> None:
    old = service("NodePort", clusterIP="10.96.0.9", clusterIPs=["10.96.0.9"])
    old["spec"]["ports"][0]["nodePort"] = 30001
    new = service(clusterIP="10.96.0.9", clusterIPs=["10.96.0.9"])
    new["spec"]["ports"][0]["nodePort"] = 30001
    services.SERVICE(Change(new, old))
    assert services.node_ports(new) == set()
    assert services.node_ports(old) == {30001}


def updated(new: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    change = Change(new, old)
    services.SERVICE.update(change)
    return dict(change.object["spec"])


def test_an_update_may_leave_out_either_form_of_the_address() -> None:
    kept = {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"]}
    old = service(**kept)
    for given in ({}, {"clusterIP": "10.96.0.9"}, {"clusterIPs": ["10.96.0.9"]}):
        spec = updated(service(**given), old)
        assert {key: spec[key] for key in kept} == kept


def test_an_address_changed_in_one_form_only_is_told_from_the_other() -> None:
    old = service(clusterIP="10.96.0.9", clusterIPs=["10.96.0.9"])
    spec = updated(service(clusterIP="None", clusterIPs=["10.96.0.9"]), old)
    assert spec["clusterIPs"] == ["None"]
    spec = updated(service(clusterIPs=["10.96.0.8"]), old)
    assert (spec["clusterIP"], spec["clusterIPs"]) == ("10.96.0.9", ["10.96.0.8"])


def test_ports_keep_their_node_port_by_name() -> None:
    def ports(*given: tuple[str, int, int]) -> dict[str, Any]:
        return service(
            "NodePort", ports=[{"name": n, "port": p, "nodePort": x} for n, p, x in given]
        )

    old = ports(("a", 80, 30001), ("b", 81, 30002))
    spec = updated(ports(("a", 90, 0), ("c", 81, 0)), old)
    assert [port["nodePort"] for port in spec["ports"]] == [30001, 0]
    spec = updated(ports(("a", 80, 0), ("c", 81, 30001)), old)
    assert [port["nodePort"] for port in spec["ports"]] == [0, 30001]


def test_a_new_node_port_keeps_all_when_the_type_has_none() -> None:
    def ports(kind: str, *numbers: int) -> dict[str, Any]:
        return service(kind, ports=[{"name": f"p{n}", "port": 80, "nodePort": n} for n in numbers])

    spec = updated(ports("ClusterIP", 30001, 30009), ports("NodePort", 30001, 30002))
    assert [port["nodePort"] for port in spec["ports"]] == [30001, 30009]
    spec = updated(ports("ClusterIP", 30002), ports("NodePort", 30001, 30002))
    assert [port.get("nodePort") for port in spec["ports"]] == [None]


def test_where_a_load_balancer_was_is_forgotten_with_the_type() -> None:
    status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}, "conditions": []}
    old = {**service("LoadBalancer"), "status": status}
    for kind, found in (("LoadBalancer", status["loadBalancer"]), ("NodePort", {})):
        new = service(kind)
        services.SERVICE(Change(new, old))
        assert new["status"] == {"loadBalancer": found, "conditions": []}


def test_labels_make_a_new_generation_of_a_slice() -> None:
    def endpoint_slice(**meta: Any) -> dict[str, Any]:
        return {"metadata": {"generation": 3, **meta}, "addressType": "IPv4"}

    old = endpoint_slice(labels={"a": "b"})
    for meta, generation in (
        ({"labels": {"a": "b"}, "annotations": {"c": "d"}}, 3),
        ({"labels": {"a": "c"}}, 4),
        ({}, 4),
    ):
        new = endpoint_slice(**meta)
        services.ENDPOINT_SLICE(Change(new, old))
        assert new["metadata"]["generation"] == generation


def test_slices_have_no_topology_of_old_versions() -> None:
    def endpoint_slice(*addresses: str) -> dict[str, Any]:
        endpoint = {"addresses": list(addresses), "deprecatedTopology": {"a": "b"}}
        return {"metadata": {}, "endpoints": [endpoint]}

    new = endpoint_slice("192.0.2.1")
    services.ENDPOINT_SLICE(Change(new))
    assert new["endpoints"] == [{"addresses": ["192.0.2.1"]}]
    same, stored = endpoint_slice("192.0.2.1"), endpoint_slice("192.0.2.1")
    services.ENDPOINT_SLICE(Change(same, stored))
    assert same["endpoints"] == stored["endpoints"]


def test_who_says_which_node_port_says_it_for_the_same_port() -> None:
    ports = [
        {"port": 53, "protocol": "TCP", "name": "t"},
        {"port": 53, "protocol": "UDP", "name": "u", "nodePort": 30053},
        {"port": 54, "protocol": "UDP", "name": "v", "nodePort": 30053},
    ]
    need = wanted(service("NodePort", ports=ports))
    assert [(wish.port, wish.shares) for wish in need.ports] == [
        (30053, None),
        (30053, 0),
        (30053, None),
    ]


def test_a_changed_service_shares_only_what_it_says() -> None:
    old = service("NodePort", ports=[{"port": 1, "nodePort": 30001}])
    ports = [
        {"port": 1, "protocol": "TCP", "nodePort": 30001},
        {"port": 53, "protocol": "TCP", "nodePort": 30053},
        {"port": 54, "protocol": "UDP", "nodePort": 30053},
        {"port": 55, "protocol": "TCP"},
        {"port": 55, "protocol": "UDP"},
    ]
    need = wanted(service("NodePort", ports=ports), old)
    assert [(wish.index, wish.port, wish.shares) for wish in need.ports] == [
        (1, 30053, None), (2, 30053, 1), (3, 0, None), (4, 0, None),
    ]  # fmt: skip


def test_who_had_an_address_gets_no_other() -> None:
    old = service(clusterIP="10.96.0.9", clusterIPs=["10.96.0.9"])
    other = service(clusterIP="10.96.0.8", clusterIPs=["10.96.0.8"])
    headless = service(clusterIP="None", clusterIPs=["None"])
    assert wanted(other, old).cluster_ip is None
    assert wanted(other, headless).cluster_ip is None
    assert wanted(other, service("ExternalName")).cluster_ip == "10.96.0.8"
    local = {"externalTrafficPolicy": "Local"}
    held = service("LoadBalancer", healthCheckNodePort=30001, **local)
    other = service("LoadBalancer", healthCheckNodePort=30002, **local)
    assert wanted(other, held).health_port is None
