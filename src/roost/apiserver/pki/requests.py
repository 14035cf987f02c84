"""Certificate requests, read; and the built-in signers' authority as a port that signs them.

What a signer may sign is decided in roost.decisions.certificates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from roost.apiserver.pki.authority import Authority
from roost.decisions.certificates import (
    CLIENT,
    KUBELET_CLIENT,
    KUBELET_SERVING,
    LEGACY,
    SIGNERS,
    Request,
    fault_of,
)

__all__ = [
    "CLIENT", "EXTENDED_USAGES", "KUBELET_CLIENT", "KUBELET_SERVING", "LEGACY", "SIGNERS",
    "AuthoritySigner", "Request", "fault_of", "read_request",
]  # fmt: skip

#: Usage of a CertificateSigningRequest -> what it is in a certificate.
EXTENDED_USAGES: Final = {
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
}


class AuthoritySigner:
    """Signs with the cluster's authority; see roost.ports.port.Signer."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    def sign(self, request: bytes, usages: Sequence[str], life_s: int | None) -> bytes:
        known = [EXTENDED_USAGES[usage] for usage in usages if usage in EXTENDED_USAGES]
        return self._authority.sign(request, known, life_s)


def read_request(pem: bytes) -> Request:
    """Return what a request (PEM) says. Raises ValueError if it cannot be read."""
    asked = x509.load_pem_x509_csr(pem)
    names: dict[str, list[str]] = {"DNSName": [], "IPAddress": [], "": []}
    try:
        found = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        pass
    else:
        for name in found.value:
            names.get(type(name).__name__, names[""]).append(str(name.value))
    common_names = asked.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    organizations = asked.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return Request(
        str(common_names[0].value) if common_names else "",
        tuple(str(organization.value) for organization in organizations),
        tuple(names["DNSName"]),
        tuple(names["IPAddress"]),
        tuple(names[""]),
    )
