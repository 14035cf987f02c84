"""The key that signs service account tokens, those that still verify, and the document for others.

`service-account.key` signs. Every `service-account-*.key` beside it verifies what it once signed: to
change the key, give the old file such a name, and remove it when its tokens have expired.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from fnmatch import fnmatchcase

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from roost.api.values import Object
from roost.apiserver.pki.files import key_pem, new_key, read_key, write
from roost.ports.port import Files

ALGORITHM = "ES256"
_OLDER = "service-account-*.key"


class SigningKeys:
    """The signing key and every key that still verifies."""

    algorithm = ALGORITHM

    def __init__(
        self, key: ec.EllipticCurvePrivateKey, older: Iterable[ec.EllipticCurvePrivateKey] = ()
    ) -> None:
        self.private = key
        self.public = key.public_key()
        self.key_id = _key_id(self.public)
        publics = (self.public, *(one.public_key() for one in older))
        self._publics = {_key_id(public): public for public in publics}

    @classmethod
    def open(cls, files: Files, directory: str) -> SigningKeys:
        """Return the keys of a directory, made if there is none. Raises PkiError if damaged."""
        path = f"{directory}/service-account.key"
        key = read_key(files, path)
        if key is None:
            key = new_key()
            write(files, path, key_pem(key))
        names = (name for name in files.list(directory) if fnmatchcase(name, _OLDER))
        older = (read_key(files, f"{directory}/{name}") for name in names)
        return cls(key, [one for one in older if one is not None])

    def verifying(self, key_id: str | None) -> ec.EllipticCurvePublicKey | None:
        """Return the key that verifies tokens with this `kid`, None if it is not ours."""
        return self.public if key_id is None else self._publics.get(key_id)

    def jwks(self) -> Object:
        """Return the JSON Web Key Set that /openid/v1/jwks answers."""
        return {"keys": [_jwk(key_id, public) for key_id, public in self._publics.items()]}


def _jwk(key_id: str, public: ec.EllipticCurvePublicKey) -> Object:
    numbers = public.public_numbers()
    return {
        "use": "sig",
        "kty": "EC",
        "kid": key_id,
        "crv": "P-256",
        "alg": ALGORITHM,
        "x": _base64(numbers.x.to_bytes(32, "big")),
        "y": _base64(numbers.y.to_bytes(32, "big")),
    }


def discovery(issuer: str, jwks_uri: str) -> Object:
    """Return the document of /.well-known/openid-configuration."""
    return {
        "issuer": issuer,
        "jwks_uri": jwks_uri,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
    }


def _key_id(key: ec.EllipticCurvePublicKey) -> str:
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return _base64(hashlib.sha256(der).digest())


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
