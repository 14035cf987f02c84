"""Whom a client certificate names, and from when until when it is good."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from roost.apiserver.access.identity import from_certificate
from roost.apiserver.attributes import User

_CLIENT_USAGES = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)


def read_client(der: bytes) -> tuple[User, float, float]:
    """Return the user of a certificate and from when until when it is good, in seconds of the epoch.

    A certificate that is not for clients is never good.
    """
    certificate = x509.load_der_x509_certificate(der)
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    organizations = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    user = from_certificate(
        str(names[0].value) if names else "",
        [str(organization.value) for organization in organizations],
        hashlib.sha256(der).hexdigest(),
    )
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not names or not _is_for_clients(certificate):
        return replace(user, groups=()), 0.0, 0.0
    return user, start.timestamp(), end.timestamp()


def _is_for_clients(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        return True
    return any(allowed in usage.value for allowed in _CLIENT_USAGES)
