"""Keys and certificates as PEM files that only their owner can read."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from roost.ports.port import Files


class PkiError(Exception):
    """A key or certificate cannot be used; the message names the file and says what to do."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its private key, as PEM."""

    certificate: bytes
    key: bytes


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def read_key(files: Files, path: str) -> ec.EllipticCurvePrivateKey | None:
    """Return the key in a file, None if there is no file. Raises PkiError if it is damaged."""
    text = files.read(path)
    if text is None:
        return None
    try:
        key = serialization.load_pem_private_key(text, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PkiError(f"{path} holds no usable private key: restore it from a backup") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise PkiError(f"{path} holds a key of another kind: an ECDSA P-256 key is needed")
    return key


def read_certificate(files: Files, path: str) -> x509.Certificate | None:
    """Return the certificate in a file, None if there is no file. Raises PkiError if damaged."""
    text = files.read(path)
    if text is None:
        return None
    try:
        return x509.load_pem_x509_certificate(text)
    except ValueError as error:
        raise PkiError(f"{path} holds no usable certificate: restore it from a backup") from error


def belongs(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bool:
    """Was the certificate made for this key?"""
    public = certificate.public_key()
    return isinstance(public, ec.EllipticCurvePublicKey) and (
        public.public_numbers() == key.public_key().public_numbers()
    )


def write(files: Files, path: str, content: bytes) -> None:
    files.write(path, content, mode=0o600, durable=True)
