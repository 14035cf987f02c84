"""Rules of certificate signing requests: names of signers, what was signed, what is no request."""

from base64 import b64encode
from typing import Any

import pytest

from roost.api.kind import Change
from roost.api.validation.causes import Causes
from roost.api.validation.signing import CERTIFICATE_SIGNING_REQUEST, signer_name

_LABEL = "a lowercase RFC 1123 label must consist of"


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("Example.com/x", f'Invalid value: "Example.com": validating label "Example": {_LABEL}'),
        ("a.b/C.D", 'Invalid value: "C.D": validating label "C": a lowercase RFC 1123 subdomain'),
        ("a/b", 'Invalid value: "a": should be a domain with at least two segments'),
    ],
)
def test_names_of_signers(name: str, start: str) -> None:
    causes = Causes()
    signer_name(name, "spec.signerName", causes)
    assert len(causes) == 1
    assert causes[0].message.startswith(start)


def pem(kind: str, body: str = "AAAA") -> str:
    text = f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n"
    return b64encode(text.encode()).decode()


def causes_of(change: Change) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in CERTIFICATE_SIGNING_REQUEST(change)]


@pytest.mark.parametrize(
    ("certificate", "fault"),
    [
        (pem("PRIVATE KEY"), 'only CERTIFICATE PEM blocks are allowed, found "PRIVATE KEY"'),
        (pem("CERTIFICATE"), "x509: malformed certificate"),
        (pem("CERTIFICATE", "a: b\n\nAAAA"), "no PEM block headers are permitted"),
        (b64encode(b"x").decode(), "must contain at least one CERTIFICATE PEM block"),
    ],
)
def test_what_was_signed(certificate: str, fault: str) -> None:
    def request(status: Any) -> dict[str, Any]:
        metadata = {"name": "a", "resourceVersion": "1"}
        return {"metadata": metadata, "spec": {}, "status": status}

    change = Change(request({"certificate": certificate}), request({}), "status")
    path = "status.certificate: Invalid value"
    assert causes_of(change) == [f'{path}: "<certificate data>": {fault}']


def test_what_is_no_request() -> None:
    spec = {
        "request": pem("CERTIFICATE REQUEST"),
        "usages": ["client auth"],
        "signerName": "e.com/x",
    }
    [found] = causes_of(Change({"metadata": {"name": "a"}, "spec": spec}))
    assert "asn1: structure error: tags don't match (16 vs {class:0 tag:0 length:0 " in found


def signed(certificate: str = "", *decisions: str) -> dict[str, Any]:
    conditions = [{"type": decision, "status": "True"} for decision in decisions]
    status = {"certificate": certificate, "conditions": conditions}
    metadata = {"name": "a", "uid": "u", "resourceVersion": "1"}
    return {"metadata": metadata, "spec": {}, "status": status}


def test_status_decides_nothing_and_changes_no_certificate() -> None:
    for decision in ("Approved", "Denied"):
        change = Change(signed("", decision), signed(), "status")
        text = f'updates may not add a condition of type "{decision}"'
        assert causes_of(change) == [f"status.conditions: Forbidden: {text}"]
        assert not causes_of(Change(signed("", decision), signed("", decision), "status"))
    text = 'updates may not remove a condition of type "Approved"'
    removed = causes_of(Change(signed(), signed("", "Approved"), "status"))
    assert removed == [f"status.conditions: Forbidden: {text}"]
    text = "updates may not modify existing certificate content"
    changed = causes_of(Change(signed("Yg=="), signed("YQ=="), "status"))
    assert changed == [f"status.certificate: Forbidden: {text}"]
