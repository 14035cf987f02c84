"""The certificate authority of a cluster: made once, kept on disk, the same after every restart.

It issues what the cluster needs for itself (servers, clients, kubelets) and signs requests of others.
Rule: the authority itself is precious and never replaced silently; what it issued is made anew
whenever it does not fit, is damaged, or is about to expire.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from roost.apiserver.pki.files import (
    Identity,
    PkiError,
    belongs,
    certificate_pem,
    key_pem,
    new_key,
    read_certificate,
    read_key,
    write,
)
from roost.ports.port import Files, WallClock

SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
#: Names and addresses of every API server, beside those of its machine.
SERVER_HOSTS = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
    "127.0.0.1",
    "::1",
    "10.96.0.1",
)

_AUTHORITY_LIFE = timedelta(days=3650)
_LIFE = timedelta(days=365)
_RENEW_BEFORE = timedelta(days=60)
#: Clocks of other machines may be behind.
_SLACK = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a certificate shall say."""

    common_name: str
    organizations: tuple[str, ...]
    hosts: tuple[str, ...]
    usage: x509.ObjectIdentifier


class Authority:
    """Issues certificates. `Authority.open` finds or makes it in a directory."""

    def __init__(
        self,
        files: Files,
        directory: str,
        clock: WallClock,
        certificate: x509.Certificate,
        key: ec.EllipticCurvePrivateKey,
    ) -> None:
        self._files = files
        self._directory = directory
        self._clock = clock
        self._certificate = certificate
        self._key = key

    @classmethod
    def open(
        cls, files: Files, directory: str, clock: WallClock, name: str = "roost-ca"
    ) -> Authority:
        """Return the authority of a directory, made if there is none.

        Raises PkiError that names the file if one is damaged, missing or does not fit the other.
        """
        certificate_path, key_path = f"{directory}/ca.crt", f"{directory}/ca.key"
        certificate = read_certificate(files, certificate_path)
        key = read_key(files, key_path)
        if certificate is None:
            # The key is written first: a key alone is a start that was cut short.
            if key is None:
                key = new_key()
                write(files, key_path, key_pem(key))
            certificate = _self_signed(key, _now(clock), name)
            write(files, certificate_path, certificate_pem(certificate))
        elif key is None:
            raise PkiError(
                f"{key_path} is missing but {certificate_path} is there: restore the key from a"
                " backup, or remove the certificate to begin with a new authority"
            )
        elif not belongs(certificate, key):
            raise PkiError(
                f"{certificate_path} does not belong to {key_path}: restore both from one backup"
            )
        return cls(files, directory, clock, certificate, key)

    @property
    def certificate(self) -> bytes:
        """The authority's certificate as PEM: what clients trust."""
        return certificate_pem(self._certificate)

    @property
    def public_key_hash(self) -> str:
        """`sha256:HEX` of the public key, by which a joining node knows the authority."""
        public = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return "sha256:" + hashlib.sha256(public).hexdigest()

    def server(self, hosts: Iterable[str] = ()) -> Identity:
        """Return the API server's identity, kept until its hosts change or it nears its end.

        `hosts` are names and addresses beside SERVER_HOSTS.
        """
        every = tuple(dict.fromkeys((*SERVER_HOSTS, *hosts)))
        return self._kept("server", _Wish("kube-apiserver", (), every, SERVER_AUTH))

    def client(self, name: str, groups: Sequence[str] = (), *, keep_as: str = "") -> Identity:
        """Return a client's identity; `keep_as` names the files (`X.crt`, `X.key`) to keep it in."""
        wish = _Wish(name, tuple(groups), (), CLIENT_AUTH)
        return self._kept(keep_as, wish) if keep_as else self._issue(wish, new_key())

    def kubelet_server(self, node: str, hosts: Iterable[str], *, keep_as: str = "") -> Identity:
        """Return the identity with which a node's kubelet serves."""
        every = tuple(dict.fromkeys((node, *hosts)))
        wish = _Wish(f"system:node:{node}", ("system:nodes",), every, SERVER_AUTH)
        return self._kept(keep_as, wish) if keep_as else self._issue(wish, new_key())

    def sign(
        self, request: bytes, usages: Iterable[x509.ObjectIdentifier], life_s: int | None = None
    ) -> bytes:
        """Return the certificate (PEM) that a request (PEM) asks for, without judging it.

        Subject and subject alternative names are those of the request, never its other extensions.
        Raises ValueError if the request cannot be read or was not signed with its own key.
        """
        asked = x509.load_pem_x509_csr(request)
        if not asked.is_signature_valid:
            raise ValueError("the certificate request is not signed with its own key")
        public = asked.public_key()
        try:
            names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            names = None
        life = min(timedelta(seconds=life_s), _LIFE) if life_s else _LIFE
        builder = self._builder(asked.subject, tuple(usages), life).public_key(public)
        if names is not None:
            builder = builder.add_extension(names.value, critical=not asked.subject.rdns)
        return certificate_pem(builder.sign(self._key, hashes.SHA256()))

    # ------------------------------------------------------------------ inside

    def _kept(self, name: str, wish: _Wish) -> Identity:
        certificate_path = f"{self._directory}/{name}.crt"
        key_path = f"{self._directory}/{name}.key"
        try:
            certificate = read_certificate(self._files, certificate_path)
            key = read_key(self._files, key_path)
        except PkiError:
            certificate, key = None, None
        if certificate is not None and key is not None and self._fits(certificate, key, wish):
            return Identity(certificate_pem(certificate), key_pem(key))
        made = self._issue(wish, new_key())
        write(self._files, key_path, made.key)
        write(self._files, certificate_path, made.certificate)
        return made

    def _fits(
        self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, wish: _Wish
    ) -> bool:
        now = _now(self._clock)
        if (
            not certificate.not_valid_before_utc
            <= now
            < (certificate.not_valid_after_utc - _RENEW_BEFORE)
        ):
            return False
        if certificate.subject != _subject(wish) or not belongs(certificate, key):
            return False
        if _hosts_of(certificate) != set(wish.hosts):
            return False
        try:
            certificate.verify_directly_issued_by(self._certificate)
        except Exception:  # noqa: BLE001  # whatever is wrong with it, it is not ours
            return False
        return True

    def _issue(self, wish: _Wish, key: ec.EllipticCurvePrivateKey) -> Identity:
        builder = self._builder(_subject(wish), (wish.usage,), _LIFE).public_key(key.public_key())
        if wish.hosts:
            names = x509.SubjectAlternativeName([_general_name(host) for host in wish.hosts])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Identity(certificate_pem(certificate), key_pem(key))

    def _builder(
        self, subject: x509.Name, usages: Sequence[x509.ObjectIdentifier], life: timedelta
    ) -> x509.CertificateBuilder:
        now = _now(self._clock)
        builder = _builder(subject, self._certificate.subject, now, life)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs=False), critical=True)
            .add_extension(authority, critical=False)
        )
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        return builder


def _now(clock: WallClock) -> datetime:
    return datetime.fromtimestamp(int(clock.now()), UTC)


def _builder(
    subject: x509.Name, issuer: x509.Name, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + life)
    )


def _self_signed(
    key: ec.EllipticCurvePrivateKey, now: datetime, common_name: str
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    public = key.public_key()
    return (
        _builder(name, name, now, _AUTHORITY_LIFE)
        .public_key(public)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(wish: _Wish) -> x509.Name:
    names = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)
        for organization in wish.organizations
    ]
    return x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, wish.common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _hosts_of(certificate: x509.Certificate) -> set[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in found.value}
