"""Rules for certificate signing requests."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64

from roost.api import names
from roost.api.kind import Change
from roost.api.validation.causes import Causes
from roost.api.validation.certificates import pem_types
from roost.api.validation.rules import Rules
from roost.api.values import Object

_USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign",
    "data encipherment", "decipher only", "digital signature", "email protection",
    "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement",
    "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth",
    "signing", "timestamping",
)  # fmt: skip
_LEGACY = "kubernetes.io/legacy-unknown"
_LIFETIME_MIN_S = 600
_SIGNER_FORM = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
_SIGNER_MAX_BYTES = 571
_DECISIONS = ("Approved", "Denied", "Failed")


def _request_fault(encoded: str) -> str:
    try:
        text = b64decode(encoded)
    except NotBase64:
        text = b""
    kinds = pem_types(text)
    if kinds[:1] != ["CERTIFICATE REQUEST"]:
        return "PEM block type must be CERTIFICATE REQUEST"
    from cryptography import x509

    try:
        request = x509.load_pem_x509_csr(text)
    except ValueError:
        return "asn1: structure error: malformed certificate request"
    if not request.is_signature_valid:
        return "crypto/rsa: verification error"
    return ""


def signer_name(text: str, path: str, causes: Causes) -> None:
    """Check the name of a signer, e.g. example.com/mine."""
    if not text:
        causes.required(path)
        return
    domain, _, rest = text.partition("/")
    if not rest or "/" in rest:
        causes.invalid(path, text, _SIGNER_FORM)
        return
    for fault in names.check_subdomain(domain):
        causes.invalid(path, domain, fault)
    if "." not in domain:
        rule = "should be a domain with at least two segments separated by dots"
        causes.invalid(path, domain, rule)
    for fault in names.check_subdomain(rest):
        causes.invalid(path, rest, f'validating path "{rest}": {fault}')
    if len(text) > _SIGNER_MAX_BYTES:
        causes.too_long(path, _SIGNER_MAX_BYTES)


def _request(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    encoded = spec.get("request") or ""
    fault = _request_fault(encoded)
    if fault:
        causes.invalid("spec.request", encoded, fault)
    usages = spec.get("usages") or []
    if not usages:
        causes.required("spec.usages")
    for index, usage in enumerate(usages):
        if usage not in _USAGES:
            causes.not_supported(f"spec.usages[{index}]", usage, _USAGES)
        if usage in usages[:index]:
            causes.duplicate(f"spec.usages[{index}]", usage)
    name = spec.get("signerName") or ""
    if name == _LEGACY:
        text = "the legacy signerName is not allowed via this API version"
        causes.invalid("spec.signerName", name, text)
    else:
        signer_name(name, "spec.signerName", causes)
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _LIFETIME_MIN_S:
        text = "may not specify a duration less than 600 seconds (10 minutes)"
        causes.invalid("spec.expirationSeconds", seconds, text)


def _conditions(change: Change, causes: Causes) -> None:
    new = (change.object.get("status") or {}).get("conditions") or []
    old = ((change.old or {}).get("status") or {}).get("conditions") or []
    path, seen = "status.conditions", []
    for index, condition in enumerate(new):
        here, kind = f"{path}[{index}]", condition.get("type") or ""
        if not kind:
            causes.required(f"{here}.type")
        status = condition.get("status")
        if kind in _DECISIONS:
            causes.one_of(f"{here}.status", status, ("True",))
        else:
            causes.one_of(f"{here}.status", status, ("False", "True", "Unknown"))
        opposite = {"Approved": "Denied", "Denied": "Approved"}.get(kind)
        if opposite in seen:
            text = "Approved and Denied conditions are mutually exclusive"
            causes.invalid(path, kind, text)
        if kind in seen:
            causes.duplicate(f"{here}.type", kind)
        seen.append(kind)
    for condition in old:
        kind = condition.get("type")
        if kind in _DECISIONS and kind not in seen:
            causes.forbidden(path, f'updates may not remove a condition of type "{kind}"')


def _certificate(change: Change, causes: Causes) -> None:
    _conditions(change, causes)
    new = (change.object.get("status") or {}).get("certificate")
    old = ((change.old or {}).get("status") or {}).get("certificate")
    if old and new != old:
        text = "updates may not modify the certificate content"
        causes.forbidden("status.certificate", text)
    elif new and new != old:
        try:
            kinds = pem_types(b64decode(new))
        except NotBase64:
            kinds = []
        if "CERTIFICATE" not in kinds:
            text = "must contain at least one CERTIFICATE PEM block"
            causes.invalid("status.certificate", "<certificate data>", text)


def _approval(change: Change, causes: Causes) -> None:
    _conditions(change, causes)
    new: Object = change.object.get("status") or {}
    old: Object = (change.old or {}).get("status") or {}
    if new.get("certificate") != old.get("certificate"):
        causes.forbidden("status.certificate", "updates may not set certificate content")


CERTIFICATE_SIGNING_REQUEST = Rules(
    create=_request,
    status=_certificate,
    others={"approval": _approval},
    namespaced=False,
    name_rule="path",
    whole=False,
)
