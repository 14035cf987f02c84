"""Which connections NetworkPolicies let pass."""

from __future__ import annotations

from typing import Any

import pytest

from roost.network.policies import Party, allowed

WEB = Party("10.0.0.1", "shop", {"app": "web"}, {"team": "a"}, {("http", "tcp"): 8080})
CLIENT = Party("10.0.0.2", "shop", {"app": "client"}, {"team": "a"})
STRANGER = Party("10.0.1.3", "other", {"app": "client"}, {"team": "b"})
OUTSIDE = Party("203.0.113.9")


def policy(namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    chosen = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]}
    return {"metadata": {"namespace": namespace}, "spec": {**chosen, **spec}}


def rule(**peer: Any) -> dict[str, Any]:
    return policy(ingress=[{"from": [peer]}])


@pytest.mark.parametrize(
    ("policies", "who"),
    [
        ([], "client stranger outside"),
        ([policy()], ""),
        ([policy(namespace="other")], "client stranger outside"),
        ([policy(podSelector={})], ""),
        ([policy(policyTypes=["Egress"])], "client stranger outside"),
        ([policy(ingress=[{}])], "client stranger outside"),
        ([rule(podSelector={})], "client"),
        ([rule(podSelector={"matchLabels": {"app": "x"}})], ""),
        ([rule(namespaceSelector={})], "client stranger"),
        ([rule(namespaceSelector={"matchLabels": {"team": "b"}})], "stranger"),
        (
            [rule(namespaceSelector={}, podSelector={"matchLabels": {"app": "client"}})],
            "client stranger",
        ),
        ([rule(ipBlock={"cidr": "203.0.113.0/24"})], "outside"),
        ([rule(ipBlock={"cidr": "0.0.0.0/0", "except": ["10.0.0.0/24"]})], "stranger outside"),
        ([policy(), rule(podSelector={})], "client"),  # what one allows is allowed
    ],
)
def test_who_may_come_in(policies: list[dict[str, Any]], who: str) -> None:
    parties = {"client": CLIENT, "stranger": STRANGER, "outside": OUTSIDE}
    let_in = [name for name, one in parties.items() if allowed(policies, one, WEB, 8080, "tcp")]
    assert let_in == who.split()


@pytest.mark.parametrize(
    ("port", "passes"),
    [
        ({"port": 8080}, True),
        ({"port": 80}, False),
        ({"port": 8000, "endPort": 9000}, True),
        ({"port": 8000, "endPort": 8079}, False),
        ({"port": "http"}, True),
        ({"port": "admin"}, False),
        ({"protocol": "UDP"}, False),
        ({"protocol": "TCP"}, True),
    ],
)
def test_ports_by_number_range_and_name(port: dict[str, Any], passes: bool) -> None:
    only = policy(ingress=[{"ports": [port]}])
    assert allowed([only], CLIENT, WEB, 8080, "tcp") is passes


def test_who_may_go_out_is_the_sources_matter() -> None:
    shut = policy(podSelector={"matchLabels": {"app": "client"}}, policyTypes=["Egress"])
    assert not allowed([shut], CLIENT, WEB, 8080, "tcp")
    assert allowed([shut], WEB, CLIENT, 80, "tcp")
    to_web = {"to": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": "http"}]}
    open_to_web = policy(
        podSelector={"matchLabels": {"app": "client"}}, policyTypes=["Egress"], egress=[to_web]
    )
    assert allowed([open_to_web], CLIENT, WEB, 8080, "tcp")
    assert not allowed([open_to_web], CLIENT, WEB, 81, "tcp")
    assert not allowed([open_to_web], CLIENT, OUTSIDE, 8080, "tcp")
