"""Which certificates are those of authenticating proxies, and which those of clients.

TLS has verified a certificate against both authorities when it comes here, and must not decide alone:
a proxy's certificate is no user's, and a user's vouches for nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from roost.apiserver.access.frontproxy import HeaderNames, user_of
from roost.apiserver.attributes import User

_KEPT: Final = 1024


@dataclass(slots=True)
class Vouchers:
    """Authenticating proxies. `allowed` are their common names; none means any.

    `clients` is the authority of client certificates, `authorities` are those of proxies.
    """

    clients: x509.Certificate
    authorities: tuple[x509.Certificate, ...]
    names: HeaderNames
    allowed: frozenset[str] = frozenset()
    _known: dict[bytes, tuple[bool, bool]] = field(default_factory=dict)

    def user(self, der: bytes, headers: Mapping[str, str]) -> User | None:
        """Return whom a proxy vouches for; None if it is no proxy, or names nobody."""
        return user_of(self.names, headers.items()) if self._kinds(der)[0] else None

    def is_client(self, der: bytes) -> bool:
        """Is this a certificate of a client of the cluster?"""
        return self._kinds(der)[1]

    def _kinds(self, der: bytes) -> tuple[bool, bool]:
        found = self._known.get(der)
        if found is None:
            if len(self._known) >= _KEPT:
                del self._known[next(iter(self._known))]
            found = self._known[der] = self._judge(x509.load_der_x509_certificate(der))
        return found

    def _judge(self, certificate: x509.Certificate) -> tuple[bool, bool]:
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        name = str(names[0].value) if names else ""
        proxy = any(_issued(certificate, authority) for authority in self.authorities)
        return (
            proxy and (not self.allowed or name in self.allowed),
            _issued(certificate, self.clients),
        )


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not that authority's
        return False
    return True
