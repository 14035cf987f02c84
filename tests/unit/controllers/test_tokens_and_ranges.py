"""Bootstrap tokens, ranges of Services, and how long nodes may keep Secrets."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from typing import Any

import jwt
import pytest

from roost.api.values import Object
from roost.controllers import bootstraptokens, servicecidr
from roost.controllers.bootstraptokens import InfoView, TokenView, clean, sign, signature
from roost.controllers.nodettl import ttl_for
from roost.decisions.controller import Key
from roost.decisions.meta import seconds_of
from roost.decisions.plan import NOTHING, Delete, Patch, Plan

NOW = seconds_of("2027-01-15T09:00:00Z")


def token(id: str = "abcdef", **data: str) -> Object:
    values = {
        "token-id": id,
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-signing": "true",
        **{key.replace("_", "-"): value for key, value in data.items()},
    }
    return {
        "metadata": {"name": f"bootstrap-token-{id}", "namespace": "kube-system", "uid": id,
                     "resourceVersion": "1"},
        "type": bootstraptokens.TYPE,
        "data": {key: b64encode(value.encode()).decode() for key, value in values.items()},
    }  # fmt: skip


def test_expired_tokens_go_when_it_is_time() -> None:
    assert clean(TokenView(token(), NOW)) == NOTHING
    later = token(expiration="2027-01-15T09:00:10Z")
    assert clean(TokenView(later, NOW)) == Plan(wake_at=NOW + 10)
    (action,) = clean(TokenView(later, NOW + 10)).actions
    assert isinstance(action, Delete)
    assert clean(TokenView(token(expiration="nonsense"), NOW)).actions


def test_the_signature_is_a_detached_jws() -> None:
    made = signature("content", "abcdef", "0123456789abcdef")
    head, empty, tail = made.split(".")
    assert empty == ""
    payload = urlsafe_b64encode(b"content").rstrip(b"=").decode()
    whole = f"{head}.{payload}.{tail}"
    key = b"abcdef.0123456789abcdef"
    assert jwt.PyJWS().decode(whole, key, algorithms=["HS256"]) == b"content"
    assert jwt.get_unverified_header(whole) == {"alg": "HS256", "kid": "abcdef"}


def test_cluster_info_has_the_signatures_of_those_that_may_sign() -> None:
    info = {
        "metadata": {"name": "cluster-info", "namespace": "kube-public", "uid": "u"},
        "data": {"kubeconfig": "k", "jws-kubeconfig-gone00": "x"},
    }
    may_not = token("nosign", usage_bootstrap_signing="false")
    expired = token("expird", expiration="2027-01-15T08:00:00Z")
    plan = sign(InfoView(info, (token(), may_not, expired), NOW))
    (patch,) = plan.actions
    assert isinstance(patch, Patch)
    body: Any = patch.body
    assert body["data"] == {
        "jws-kubeconfig-abcdef": signature("k", "abcdef", "0123456789abcdef"),
        "jws-kubeconfig-gone00": None,
    }
    assert sign(InfoView({**info, "data": {}}, (token(),), NOW)) == NOTHING


@pytest.mark.parametrize(
    ("count", "before", "expected"),
    [(1, None, 0), (100, "0", 0), (101, "0", 15), (95, "15", 15), (89, "15", 0), (3000, "0", 300)],
)
def test_times_to_live_change_late(count: int, before: str | None, expected: int) -> None:
    assert ttl_for(count, before) == expected


def cidr(*, going: bool = False, held: bool = True, ready: str = "") -> Object:
    metadata: Object = {"name": "c", "uid": "u", "resourceVersion": "1"}
    if held:
        metadata["finalizers"] = [servicecidr.FINALIZER]
    if going:
        metadata["deletionTimestamp"] = "2027-01-15T08:59:55Z"
    status = {"conditions": [{"type": "Ready", "status": ready}]} if ready else {}
    return {"metadata": metadata, "spec": {"cidrs": ["10.0.0.0/24"]}, "status": status}


def decide(body: Object, *addresses: str, others: tuple[str, ...] = (), now: float = NOW) -> Plan:
    return servicecidr.reconcile(servicecidr.View(body, others, addresses, now))


def test_a_range_is_protected_and_ready() -> None:
    kinds = [getattr(a, "subresource", "") for a in decide(cidr(held=False)).actions]
    assert kinds == ["", "status"]
    assert decide(cidr(ready="True")) == NOTHING


def test_a_range_goes_when_no_address_needs_it() -> None:
    (held,) = decide(cidr(going=True), "10.0.0.9").actions
    assert isinstance(held, Patch)
    body: Any = held.body
    assert body["status"]["conditions"][0]["reason"] == "Terminating"
    assert decide(cidr(going=True), "10.0.1.9") == Plan(wake_at=NOW + 5)
    (gone,) = decide(cidr(going=True), "10.0.1.9", now=NOW + 5).actions
    assert isinstance(gone, Patch)
    body = gone.body
    assert body["metadata"]["finalizers"] == []
    moved = decide(cidr(going=True), "10.0.0.9", others=("10.0.0.0/16",), now=NOW + 5)
    assert moved == Plan((gone,))


class Known:
    """Caches of one range that goes, and of two addresses in it."""

    def __init__(self, *labels: dict[str, str]) -> None:
        self.resource: Any = None
        self.addresses = [
            {"metadata": {"name": f"10.0.0.{at}", "labels": found}}
            for at, found in enumerate(labels, 1)
        ]

    def __getitem__(self, resource: Any) -> Known:
        self.resource = resource
        return self

    def get(self, _namespace: str, _name: str) -> Object:
        return cidr(going=True)

    def all(self, _namespace: str = "") -> list[Object]:
        return self.addresses if self.resource.plural == "ipaddresses" else [cidr(going=True)]


def test_only_addresses_of_services_hold_a_range() -> None:
    managed = {"ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"}
    caches: Any = Known({}, managed)
    seen = servicecidr.view(caches, Key("", "c"), NOW)
    assert seen is not None
    assert seen.addresses == ("10.0.0.2",)
