"""Rules of services and networking."""

from collections.abc import Callable
from typing import Any

Refused = Callable[..., list[str]]


def service(*ports: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"ports": list(ports or ({"port": 80},)), **spec}}


def test_a_plain_service_passes(refused: Refused) -> None:
    assert refused("", "Service", service()) == []


def test_ports_are_required_unless_headless(refused: Refused) -> None:
    assert refused("", "Service", {"spec": {}}) == ["spec.ports: Required value"]
    assert refused("", "Service", {"spec": {"clusterIP": "None"}}) == []


def test_several_ports_have_names(refused: Refused) -> None:
    causes = refused("", "Service", service({"port": 80}, {"port": 81, "name": "b"}))
    assert causes == ["spec.ports[0].name: Required value"]


def test_types(refused: Refused) -> None:
    assert refused("", "Service", service(type="Mesh")) == [
        (
            'spec.type: Unsupported value: "Mesh": supported values: '
            '"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'
        )
    ]


def test_one_family_of_addresses(refused: Refused) -> None:
    assert refused("", "Service", service(ipFamilyPolicy="RequireDualStack")) == [
        (
            'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": '
            "this cluster is not configured for dual-stack services"
        )
    ]
    assert refused("", "Service", service(ipFamilies=["IPv6"])) == [
        'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'
    ]


def test_an_address_is_for_ever(refused: Refused) -> None:
    old = service(clusterIP="10.96.0.1", clusterIPs=["10.96.0.1"])
    new = service(clusterIP="10.96.0.2", clusterIPs=["10.96.0.2"])
    assert refused("", "Service", new, old) == [
        'spec.clusterIPs[0]: Invalid value: ["10.96.0.2"]: may not change once set'
    ]


def test_policies_select_ports_and_peers(refused: Refused) -> None:
    rule = {"ports": [{"port": 70000}], "from": [{}]}
    causes = refused(
        "networking.k8s.io", "NetworkPolicy", {"spec": {"podSelector": {}, "ingress": [rule]}}
    )
    assert [cause.partition(":")[0] for cause in causes] == [
        "spec.ingress[0].ports[0].port",
        "spec.ingress[0].from[0]",
    ]


def test_an_ingress_leads_somewhere(refused: Refused) -> None:
    assert refused("networking.k8s.io", "Ingress", {"spec": {}}) == [
        "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"
    ]


def test_what_no_address_can_be_given_to_is_all_that_is_said(refused: Refused) -> None:
    wrong = service({"port": 0}, clusterIP="10.96.0.1", ipFamilies=["IPv6"])
    wrong["spec"]["clusterIPs"] = ["10.96.0.1"]
    assert refused("", "Service", wrong) == [
        (
            'spec.clusterIPs[0]: Invalid value: "10.96.0.1": '
            "expected an IPv6 value as indicated by `ipFamilies[0]`"
        )
    ]


def test_agents_are_not_exposed(refused: Refused) -> None:
    causes = refused("", "Service", service({"port": 10250}, type="LoadBalancer"))
    assert causes == [
        (
            "spec.ports[0]: Invalid value: 10250: "
            "may not expose port 10250 externally since it is used by kubelet"
        )
    ]
    assert refused("", "Service", service({"port": 10250}, type="NodePort")) == []


def test_a_second_family_goes_with_the_policy_alone(refused: Refused) -> None:
    def headless(policy: str, *families: str) -> dict[str, Any]:
        return {
            "spec": {
                "clusterIP": "None",
                "clusterIPs": ["None"],
                "ipFamilyPolicy": policy,
                "ipFamilies": list(families),
            }
        }

    old = headless("RequireDualStack", "IPv4", "IPv6")
    assert refused("", "Service", headless("RequireDualStack", "IPv4"), old) == [
        (
            'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": '
            "must be 'SingleStack' to release the secondary IP family"
        )
    ]
    assert refused("", "Service", headless("SingleStack", "IPv4", "IPv6"), old) == []


def test_a_changed_service_has_each_node_port_once(refused: Refused) -> None:
    def ports(*numbers: int) -> dict[str, Any]:
        entries = [{"name": f"p{i}", "port": 80 + i, "nodePort": n} for i, n in enumerate(numbers)]
        address = {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"]}
        return {"spec": {"type": "NodePort", "ports": entries, **address}}

    assert refused("", "Service", ports(30001, 30002), ports(30001)) == []
    assert refused("", "Service", ports(30001, 30001), ports(30001)) == [
        "spec.ports[1].nodePort: Duplicate value: 30001"
    ]
