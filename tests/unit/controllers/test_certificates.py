"""Who gets a certificate: approved, signed or forgotten, as values."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from roost.controllers.certificates import CertificateRules, View, approve, clean, sign
from roost.decisions.certificates import KUBELET_CLIENT, Request
from roost.decisions.meta import stamp
from roost.decisions.plan import NOTHING, Certify, Delete, Update

NOW = 1_800_000_000.0
NODE = Request("system:node:n1", ("system:nodes",), (), (), ())
JANE = Request("jane", ("devs",), (), (), ())
CLIENT = ["digital signature", "client auth"]


def rules(request: Request | None = NODE, *allowed: str) -> CertificateRules:
    def read(_pem: bytes) -> Request:
        if request is None:
            raise ValueError("not a request")
        return request

    return CertificateRules(read, lambda _spec, subresource: subresource in allowed)


def request(*conditions: str, signer: str = KUBELET_CLIENT, **more: Any) -> dict[str, Any]:
    spec = {
        "request": b64encode(b"pem").decode(), "signerName": signer, "usages": CLIENT,
        "username": more.pop("username", "system:bootstrap:abc"),
    }  # fmt: skip
    status = {
        "conditions": [
            {"type": each, "status": "True", "lastUpdateTime": stamp(NOW)} for each in conditions
        ],
        **more,
    }
    metadata = {"name": "r", "uid": "u", "creationTimestamp": stamp(NOW)}
    return {"metadata": metadata, "spec": spec, "status": status}


def view(*conditions: str, now: float = NOW, **more: Any) -> View:
    return View(request(*conditions, **more), now)


def test_a_new_node_gets_its_certificate_approved() -> None:
    (action,) = approve(view(), rules(NODE, "nodeclient")).actions
    assert isinstance(action, Update)
    assert action.subresource == "approval"
    (condition,) = action.object["status"]["conditions"]
    assert (condition["type"], condition["reason"]) == ("Approved", "AutoApproved")


def test_a_node_renews_only_its_own() -> None:
    allowed = rules(NODE, "selfnodeclient")
    assert approve(view(username="system:node:n1"), allowed).actions
    assert approve(view(username="system:node:n2"), allowed) == NOTHING


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        (view(), rules(NODE)),  # who may not
        (view(), rules(JANE, "nodeclient")),  # not a node's name
        (view(), rules(None, "nodeclient")),  # not readable
        (view("Denied"), rules(NODE, "nodeclient")),
        (view("Approved"), rules(NODE, "nodeclient")),
        (view(signer="kubernetes.io/kubelet-serving"), rules(NODE, "nodeclient")),
    ],
)
def test_everything_else_waits_for_a_person(asked: View, allowed: CertificateRules) -> None:
    assert approve(asked, allowed) == NOTHING


def test_what_is_approved_is_signed_once() -> None:
    asked = view("Approved")
    assert sign(asked, rules()).actions == (Certify(asked.request),)
    assert sign(view("Approved", certificate="x"), rules()) == NOTHING
    assert sign(view("Approved", "Failed"), rules()) == NOTHING
    assert sign(view("Approved", "Denied"), rules()) == NOTHING
    assert sign(view(), rules()) == NOTHING
    assert sign(view("Approved", signer="example.com/mine"), rules()) == NOTHING


@pytest.mark.parametrize(
    ("asked", "message"),
    [(JANE, "subject organization is not system:nodes"), (None, "unable to parse csr")],
)
def test_what_cannot_be_signed_fails_with_a_reason(asked: Request | None, message: str) -> None:
    (action,) = sign(view("Approved"), rules(asked)).actions
    assert isinstance(action, Update)
    failed = action.object["status"]["conditions"][-1]
    assert (failed["type"], failed["reason"]) == ("Failed", "SignerValidationFailure")
    assert message in failed["message"]


@pytest.mark.parametrize(
    ("conditions", "life_s"),
    [(("Approved",), 3600), (("Denied",), 3600), (("Approved", "Failed"), 3600), ((), 86400)],
)
def test_requests_go_when_they_are_old(conditions: tuple[str, ...], life_s: int) -> None:
    kept = clean(view(*conditions, now=NOW + life_s - 1))
    assert (kept.actions, kept.wake_at) == ((), NOW + life_s)
    (action,) = clean(view(*conditions, now=NOW + life_s)).actions
    assert isinstance(action, Delete)
