"""Addresses and ranges: what older fields take, what newer ones do, and what is said of their form."""

from collections.abc import Callable
from typing import Any

import pytest

Refused = Callable[..., list[str]]
POLICY = "networking.k8s.io", "NetworkPolicy"


def policy(cidr: str, *without: str) -> dict[str, Any]:
    block = {"cidr": cidr, "except": list(without)}
    return {"spec": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": block}]}]}}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("010.0.0.0/8", "must not have leading 0s in IP or prefix length"),
        ("10.0.0.0/08", "must not have leading 0s in IP or prefix length"),
        ("::ffff:10.0.0.0/104", "must not have an IPv4-mapped IPv6 address"),
        ("10.1.2.3/8", "must not have bits set beyond the prefix length"),
        ("10.0.0.0", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"),
    ],
)
def test_ranges_of_older_fields(refused: Refused, text: str, fault: str) -> None:
    path = "spec.ingress[0].from[0].ipBlock.cidr"
    assert refused(*POLICY, policy(text)) == [f'{path}: Invalid value: "{text}": {fault}']


def test_a_range_that_was_let_in_once_stays(refused: Refused) -> None:
    old = policy("10.1.2.3/8")
    assert refused(*POLICY, {**policy("10.1.2.3/8", "10.2.0.0/16")}, old) == []


def test_advice_about_ranges(refused: Refused) -> None:
    warnings: list[str] = []
    assert refused(*POLICY, policy("2001:DB8::/32"), warnings=warnings) == []
    assert warnings == [
        (
            'spec.ingress[0].from[0].ipBlock.cidr: IPv6 CIDR value "2001:DB8::/32" should be in '
            'RFC 5952 canonical format ("2001:db8::/32")'
        )
    ]


def test_ranges_of_newer_fields_are_canonical(refused: Refused) -> None:
    body = {"spec": {"cidrs": ["2001:DB8::/64"]}}
    assert refused("networking.k8s.io", "ServiceCIDR", body) == [
        'spec.cidrs[0]: Invalid value: "2001:DB8::/64": must be in canonical form ("2001:db8::/64")'
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("010.1.1.1", "must not have leading 0s"),
        ("::ffff:10.1.1.1", "must not be an IPv4-mapped IPv6 address"),
    ],
)
def test_addresses_of_endpoints(refused: Refused, text: str, fault: str) -> None:
    body = {"addressType": "IPv4", "endpoints": [{"addresses": [text]}]}
    assert refused("discovery.k8s.io", "EndpointSlice", body) == [
        f'endpoints[0].addresses[0]: Invalid value: "{text}": {fault}'
    ]


def test_advice_about_addresses_is_not_for_the_own_controllers(refused: Refused) -> None:
    body: dict[str, Any] = {
        "addressType": "IPv6",
        "endpoints": [{"addresses": ["2001:DB8:0::1"]}],
        "ports": [],
    }
    warnings: list[str] = []
    assert refused("discovery.k8s.io", "EndpointSlice", body, warnings=warnings) == []
    assert warnings == [
        (
            'endpoints[0].addresses[0]: IPv6 address "2001:DB8:0::1" should be in RFC 5952 canonical '
            'format ("2001:db8::1")'
        )
    ]
    body["metadata"] = {
        "labels": {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
    }
    warnings = []
    refused("discovery.k8s.io", "EndpointSlice", body, warnings=warnings)
    assert warnings == []


def test_names_of_addresses(refused: Refused) -> None:
    body = {
        "metadata": {"name": "10.0.0.01"},
        "spec": {"parentRef": {"resource": "services", "name": "a"}},
    }
    assert refused("networking.k8s.io", "IPAddress", body) == [
        'metadata.name: Invalid value: "10.0.0.01": must not have leading 0s'
    ]


def test_the_owner_of_an_address_stays(refused: Refused) -> None:
    def owned(name: str) -> dict[str, Any]:
        parent = {"resource": "services", "name": name, "namespace": "b"}
        return {"metadata": {"name": "10.0.0.1"}, "spec": {"parentRef": parent}}

    said = refused("networking.k8s.io", "IPAddress", owned("z"), owned("a"))
    shown = '{"Group":"","Resource":"services","Namespace":"b","Name":"z"}'
    assert said == [f"spec.parentRef: Invalid value: {shown}: field is immutable"]
