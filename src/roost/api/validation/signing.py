"""Rules for certificate signing requests."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable

from roost.api import names
from roost.api.kind import Change
from roost.api.validation.causes import Causes, quoted
from roost.api.validation.certificates import is_certificate, pem_blocks, pem_types, reader
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
_SEQUENCE, _LONG_FORM = 0x30, 0x80
_TRUNCATED = "asn1: syntax error: sequence truncated"
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
    x509 = reader()
    if x509 is None:
        return ""
    try:
        request = x509.load_pem_x509_csr(text)
    except ValueError:
        try:
            return _der_fault(b64decode(pem_blocks(text)[0][1]))
        except NotBase64:
            return "PEM block type must be CERTIFICATE REQUEST"
    if not request.is_signature_valid:
        return "crypto/rsa: verification error"
    return ""


def _der_fault(der: bytes) -> str:
    """Return why bytes are no certificate request, as Go's parser says it."""
    if len(der) < 2:
        return "asn1: syntax error: truncated tag or length" if der else _TRUNCATED
    tag, length = der[0], der[1]
    if length < _LONG_FORM and length > len(der) - 2:
        return "asn1: syntax error: data truncated"
    if tag != _SEQUENCE and length < _LONG_FORM:
        found = f"{{class:{tag >> 6} tag:{tag & 31} length:{length} isCompound:"
        compound = "true" if tag & 32 else "false"
        return (
            f"asn1: structure error: tags don't match (16 vs {found}{compound}}}) "
            "{optional:false explicit:false application:false private:false defaultValue:<nil> "
            "tag:<nil> stringType:0 timeType:0 set:false omitEmpty:false} certificateRequest @2"
        )
    return "asn1: structure error: malformed certificate request"


def signer_name(text: str, path: str, causes: Causes) -> None:
    """Check the name of a signer, e.g. example.com/mine."""
    if not text:
        causes.required(path)
        return
    domain, _, rest = text.partition("/")
    if not rest or "/" in rest:
        causes.invalid(path, text, _SIGNER_FORM)
        return
    if len(domain) > names.SUBDOMAIN_MAX_BYTES:
        causes.too_long(path, names.SUBDOMAIN_MAX_BYTES)
    _first_bad_label(domain, names.check_label, path, causes)
    if "." not in domain:
        rule = "should be a domain with at least two segments separated by dots"
        causes.invalid(path, domain, rule)
    _first_bad_label(rest, names.check_subdomain, path, causes)
    if len(text) > _SIGNER_MAX_BYTES:
        causes.too_long(path, _SIGNER_MAX_BYTES)


def _first_bad_label(
    text: str, check: Callable[[str], list[str]], path: str, causes: Causes
) -> None:
    """Complain about the first part between dots that is no name."""
    for label in text.split("."):
        faults = check(label)
        for fault in faults:
            causes.invalid(path, text, f"validating label {quoted(label)}: {fault}")
        if faults:
            return


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
    for index, usage in enumerate(usages):
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
    for decision in ("Approved", "Denied"):
        if _has(change.object, decision) and not _has(change.old or {}, decision):
            text = f'updates may not add a condition of type "{decision}"'
            causes.forbidden("status.conditions", text)
    new = (change.object.get("status") or {}).get("certificate")
    old = ((change.old or {}).get("status") or {}).get("certificate")
    if old and new != old:
        text = "updates may not modify existing certificate content"
        causes.forbidden("status.certificate", text)
    elif new and new != old:
        fault = _certificate_fault(new)
        if fault:
            causes.invalid("status.certificate", "<certificate data>", fault)


def _has(request: Object, kind: str) -> bool:
    conditions = (request.get("status") or {}).get("conditions") or ()
    return any(condition.get("type") == kind for condition in conditions)


def _certificate_fault(encoded: str) -> str:
    """Return what is wrong with certificates in PEM (in base64), "" if nothing is."""
    try:
        blocks = pem_blocks(b64decode(encoded))
    except NotBase64:
        blocks = []
    for kind, body in blocks:
        if kind != "CERTIFICATE":
            return f"only CERTIFICATE PEM blocks are allowed, found {quoted(kind)}"
        if b":" in body:
            return "no PEM block headers are permitted"
        if not is_certificate(body):
            return "x509: malformed certificate"
    return "" if blocks else "must contain at least one CERTIFICATE PEM block"


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
