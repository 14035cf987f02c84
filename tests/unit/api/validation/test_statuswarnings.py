"""Warnings about what a status says."""

from typing import Any

import pytest

from roost.api.groups import ALL_KINDS
from roost.api.kind import Change

KINDS = {(kind.group, kind.version, kind.name): kind for kind in ALL_KINDS}
WRITTEN = 'IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")'
BALANCER = {"loadBalancer": {"ingress": [{"ip": "2001:DB8::1", "ipMode": "VIP"}]}}


@pytest.mark.parametrize(
    ("group", "kind", "status", "paths"),
    [
        (
            "",
            "Pod",
            {
                "podIP": "2001:DB8::1",
                "podIPs": [{"ip": "2001:DB8::1"}, {"ip": "192.0.2.1"}],
                "hostIP": "2001:DB8::1",
                "hostIPs": [{"ip": "2001:DB8::1"}],
            },
            ["status.podIPs[0].ip", "status.hostIPs[0].ip"],
        ),
        ("", "Service", BALANCER, ["status.loadBalancer.ingress[0]"]),
        ("networking.k8s.io", "Ingress", BALANCER, ["status.loadBalancer.ingress[0]"]),
    ],
)
def test_addresses_in_a_status(
    group: str, kind: str, status: dict[str, Any], paths: list[str]
) -> None:
    meta = {"name": "x", "namespace": "ns", "uid": "u", "resourceVersion": "1"}
    old = {"metadata": meta, "spec": {"type": "LoadBalancer"}, "status": {}}
    change = Change({**old, "status": status}, old, "status")
    validate = KINDS[group, "v1", kind].validate
    assert validate is not None
    assert validate(change) == []
    assert change.warnings == [f"{path}: {WRITTEN}" for path in paths]
