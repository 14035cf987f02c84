"""Rules for certificates and keys in PEM, as texts: is there what there should be?

Nothing is verified here: that is for whoever uses them.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NotBase64
from types import ModuleType

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s(.*?)-----END \1-----", re.DOTALL)


def pem_types(text: bytes) -> list[str]:
    """Return the types of the PEM blocks in a text, in order."""
    return [kind for kind, _ in pem_blocks(text)]


def pem_blocks(text: bytes) -> list[tuple[str, bytes]]:
    """Return the types of the PEM blocks in a text and what is in them, as it is written."""
    return [(found.group(1).decode(), found.group(2)) for found in _BLOCK.finditer(text)]


def is_certificate(body: bytes) -> bool:
    """Tell whether the inside of a PEM block is a certificate, as far as anybody here can tell."""
    x509 = reader()
    try:
        if x509 is not None:
            x509.load_der_x509_certificate(b64decode(body))
    except ValueError:
        return False
    return True


def reader() -> ModuleType | None:
    """Return what can read certificates; None in a page, where only their form is looked at."""
    try:
        from cryptography import x509
    except ImportError:
        return None
    return x509


def _decoded(encoded: str) -> bytes:
    try:
        return b64decode(encoded)
    except NotBase64:
        return b""


def pair_fault(certificate: str, key: str) -> str:
    """Return what is wrong with a certificate and its key (base64 of PEM), "" if nothing is."""
    kinds = pem_types(_decoded(certificate))
    if not kinds:
        return "tls: failed to find any PEM data in certificate input"
    if "CERTIFICATE" not in kinds:
        listed = " ".join(kinds)
        if len(kinds) == 1 and kinds[0].endswith("PRIVATE KEY"):
            return (
                "tls: failed to find certificate PEM data in certificate input, "
                "but did find a private key; PEM inputs may have been switched"
            )
        return (
            'tls: failed to find "CERTIFICATE" PEM block in certificate input '
            f"after skipping PEM blocks of the following types: [{listed}]"
        )
    kinds = pem_types(_decoded(key))
    if not kinds:
        return "tls: failed to find any PEM data in key input"
    if not any(kind == "PRIVATE KEY" or kind.endswith(" PRIVATE KEY") for kind in kinds):
        listed = " ".join(kinds)
        if kinds == ["CERTIFICATE"]:
            return "tls: found a certificate rather than a key in the PEM for the private key"
        return (
            'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input '
            f"after skipping PEM blocks of the following types: [{listed}]"
        )
    return ""


def bundle_fault(encoded: str) -> str:
    """Return what is wrong with certificates that vouch (base64 of PEM), "" if nothing is."""
    found = False
    for kind, body in pem_blocks(_decoded(encoded)):
        if kind != "CERTIFICATE" or b":" in body:
            continue
        if not is_certificate(body):
            return "x509: malformed certificate"
        found = True
    return "" if found else "data does not contain any valid RSA or ECDSA certificates"
