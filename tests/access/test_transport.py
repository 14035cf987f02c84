"""What goes over the wire at all: TLS 1.2 and newer, sane ciphers, nothing for other people's pages."""

from __future__ import annotations

import http.client
import socket
import ssl
from urllib.parse import urlsplit

import pytest

from wire import Caller

pytestmark = pytest.mark.slow


def handshake(caller: Caller, context: ssl.SSLContext) -> tuple[str, str]:
    """Return the version and the cipher that both agree on. Raises OSError."""
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    place = urlsplit(caller.url)
    with (
        socket.create_connection((place.hostname, place.port), 10) as plain,
        context.wrap_socket(plain) as wrapped,
    ):
        cipher = wrapped.cipher()
        return wrapped.version() or "", cipher[0] if cipher else ""


def test_old_versions_and_weak_ciphers_are_refused(nobody: Caller):
    assert handshake(nobody, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))[0] == "TLSv1.3"
    for ciphers, fine in (
        ("ECDHE-ECDSA-AES256-GCM-SHA384", True),
        ("ECDHE-ECDSA-AES128-SHA", False),
        ("ECDHE-ECDSA-AES256-SHA384", False),
    ):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
        if fine:
            assert handshake(nobody, context) == ("TLSv1.2", ciphers)
        else:
            with pytest.raises(ssl.SSLError):
                handshake(nobody, context)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(OSError):
        handshake(nobody, old)


def test_plain_http_is_not_answered(nobody: Caller):
    place = urlsplit(nobody.url)
    with socket.create_connection((place.hostname, place.port), 10) as plain:
        plain.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"gitVersion" not in plain.recv(1000)


def test_no_page_of_another_site_may_read_answers(nobody: Caller):
    context = ssl.create_default_context(cadata=nobody.ca)
    place = urlsplit(nobody.url)
    for method in ("GET", "OPTIONS"):
        connection = http.client.HTTPSConnection(place.hostname or "", place.port, context=context)
        connection.request(method, "/version", headers={"Origin": "https://evil.example"})
        answer = connection.getresponse()
        answer.read()
        assert [name for name in answer.headers if name.lower().startswith("access-control")] == []
        assert answer.headers["X-Content-Type-Options"] in (None, "nosniff")
        connection.close()
