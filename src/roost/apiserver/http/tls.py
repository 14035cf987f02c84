"""The TLS contexts of an API server: with which it serves, and with which it calls kubelets."""

from __future__ import annotations

import ssl
from typing import Final

from roost.apiserver.pki.files import Identity
from roost.client.kubeconfig import Connection

#: Of TLS 1.2: keys that are forgotten, and authenticated encryption. TLS 1.3 has no others.
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"


def server_context(ca: str, identity: Identity) -> ssl.SSLContext:
    """Return the server's TLS context: TLS 1.2 and newer, client certificates of our CA welcome."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    own = Connection("", "", identity.certificate.decode(), identity.key.decode())
    own.load_certificate(context)
    context.load_verify_locations(cadata=ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context


def client_context(ca: str, identity: Identity) -> ssl.SSLContext:
    """Return the TLS context with which the server calls kubelets."""
    connection = Connection("", ca, identity.certificate.decode(), identity.key.decode())
    return connection.ssl_context()
