"""The authority, what it issues, and the signing key."""

from __future__ import annotations

import contextlib
import ssl
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from roost.apiserver.pki import Authority, PkiError, SigningKeys
from roost.apiserver.pki.requests import (
    EXTENDED_USAGES,
    KUBELET_CLIENT,
    KUBELET_SERVING,
    fault_of,
    read_request,
)


@pytest.fixture
def authority(files, clock) -> Authority:
    return Authority.open(files, "/d", clock)


def read(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def names_of(pem: bytes) -> set[str]:
    found = read(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return {str(name.value) for name in found.value}


def csr(common_name: str, organization: str, *hosts: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    made = builder.sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def test_the_authority_stays_the_same_and_private(authority, files, clock):
    again = Authority.open(files, "/d", clock)
    assert again.certificate == authority.certificate
    assert again.public_key_hash == authority.public_key_hash
    assert files.modes == {"/d/ca.key": 0o600, "/d/ca.crt": 0o600}


@pytest.mark.parametrize(
    ("path", "content", "text"),
    [
        ("/d/ca.crt", b"damaged", "/d/ca.crt holds no usable certificate"),
        ("/d/ca.key", b"damaged", "/d/ca.key holds no usable private key"),
        ("/d/ca.key", None, "/d/ca.key is missing"),
    ],
)
def test_a_damaged_authority_is_an_error_that_names_the_file(
    authority, files, clock, path, content, text
):
    if content is None:
        del files.content[path]
    else:
        files.content[path] = content
    with pytest.raises(PkiError, match=text):
        Authority.open(files, "/d", clock)
    assert files.content["/d/ca.crt"] in (authority.certificate, content)


def test_a_certificate_of_another_key_is_an_error(authority, files, clock):
    Authority.open(files, "/other", clock)
    files.content["/d/ca.key"] = files.content["/other/ca.key"]
    with pytest.raises(PkiError, match=r"/d/ca.crt does not belong to /d/ca.key"):
        Authority.open(files, "/d", clock)


def test_a_start_that_was_cut_short_goes_on(authority, files, clock):
    del files.content["/d/ca.crt"]
    again = Authority.open(files, "/d", clock)
    assert again.public_key_hash == authority.public_key_hash


def test_the_server_is_known_by_every_name_and_kept(authority, clock):
    first = authority.server(["host.example", "192.0.2.7"])
    assert {"kubernetes.default.svc.cluster.local", "localhost", "127.0.0.1", "::1", "10.96.0.1",
            "host.example", "192.0.2.7"} <= names_of(first.certificate)  # fmt: skip
    assert authority.server(["host.example", "192.0.2.7"]) == first
    other = authority.server(["host.example"])
    assert "192.0.2.7" not in names_of(other.certificate)
    clock.time += 340 * 86400
    assert authority.server(["host.example"]) != other


def test_a_damaged_leaf_is_made_anew(authority, files):
    authority.server()
    files.content["/d/server.key"] = b"damaged"
    made = authority.server()
    assert files.content["/d/server.key"] == made.key
    read(made.certificate).verify_directly_issued_by(read(authority.certificate))


def test_clients(authority, files):
    admin = authority.client("admin", ["system:masters"], keep_as="admin")
    certificate = read(admin.certificate)
    assert certificate.subject.rfc4514_string() == "CN=admin,O=system:masters"
    assert authority.client("admin", ["system:masters"], keep_as="admin") == admin
    assert authority.client("admin", ["other"], keep_as="admin") != admin
    assert authority.client("u") != authority.client("u")
    assert "/d/u.key" not in files.content


def test_openssl_accepts_what_is_issued(clock, files, tmp_path):
    clock.time = time.time()  # OpenSSL has the clock of the machine
    authority = Authority.open(files, "/now", clock)
    made = authority.server()
    for name, content in (("crt", made.certificate), ("key", made.key)):
        (tmp_path / name).write_bytes(content)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    client = ssl.create_default_context(cadata=authority.certificate.decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname="kubernetes.default.svc")
    two = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (one, two):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    assert one.version() == "TLSv1.3"


def test_requests_are_signed_with_their_own_names(authority):
    usages = [EXTENDED_USAGES["server auth"]]
    pem = authority.sign(csr("system:node:n", "system:nodes", "n.example"), usages, 3600)
    certificate = read(pem)
    assert names_of(pem) == {"n.example"}
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc < (
        read(authority.certificate).not_valid_after_utc
        - read(authority.certificate).not_valid_before_utc
    )
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    certificate.verify_directly_issued_by(read(authority.certificate))


@pytest.mark.parametrize(
    ("signer", "request_", "usages", "fault"),
    [
        (KUBELET_CLIENT, ("system:node:n", "system:nodes"), ["client auth"], None),
        (KUBELET_CLIENT, ("system:node:n", "system:masters"), ["client auth"],
         "subject organization is not system:nodes"),
        (KUBELET_CLIENT, ("admin", "system:nodes"), ["client auth"],
         "subject common name does not begin with system:node: "),
        (KUBELET_CLIENT, ("system:node:n", "system:nodes", "h"), ["client auth"],
         "DNS subjectAltNames are not allowed"),
        (KUBELET_CLIENT, ("system:node:n", "system:nodes"), ["client auth", "server auth"],
         "usages did not match"),
        (KUBELET_SERVING, ("system:node:n", "system:nodes", "h"),
         ["server auth", "digital signature"], None),
        (KUBELET_SERVING, ("system:node:n", "system:nodes"), ["server auth"],
         "DNS or IP subjectAltName is required"),
    ],
)  # fmt: skip
def test_what_signers_refuse(signer, request_, usages, fault):
    assert fault_of(signer, read_request(csr(*request_)), usages) == fault


def test_the_signing_key_is_kept_and_published(files):
    keys = SigningKeys.open(files, "/d")
    assert SigningKeys.open(files, "/d").key_id == keys.key_id
    assert files.modes["/d/service-account.key"] == 0o600
    (published,) = keys.jwks()["keys"]
    assert (published["kid"], published["alg"], published["crv"]) == (keys.key_id, "ES256", "P-256")
    files.content["/d/service-account.key"] = b"x"
    with pytest.raises(PkiError, match=r"service-account\.key"):
        SigningKeys.open(files, "/d")
