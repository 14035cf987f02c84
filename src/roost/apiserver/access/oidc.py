"""OpenID Connect: what a token of an outside issuer says about a user. Pure.

The signature has been verified when claims come here, and so have issuer, audience and times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from roost.apiserver.access.identity import AUTHENTICATED, CREDENTIAL_ID, with_group
from roost.apiserver.attributes import User

#: Signatures that are believed; never "none", and nothing with a shared secret.
ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512")


class ClaimError(ValueError):
    """A claim is missing or of the wrong form."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """How tokens of one issuer are read; `required` are claims and the values they must have."""

    url: str
    client_id: str
    username_claim: str = "sub"
    username_prefix: str = ""
    groups_claim: str = ""
    groups_prefix: str = ""
    required: tuple[tuple[str, str], ...] = ()

    @property
    def prefix(self) -> str:
        """What is put before usernames."""
        if self.username_prefix == "-":
            return ""
        if not self.username_prefix and self.username_claim != "email":
            return f"{self.url}#"
        return self.username_prefix


def parse_required(text: str) -> tuple[tuple[str, str], ...]:
    """Read `key=value` pairs by comma. Raises ValueError."""
    found = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise ValueError(f"{part!r} is not key=value")
        found.append((key, value))
    return tuple(found)


def user_of(issuer: Issuer, claims: Mapping[str, Any]) -> User:
    """Return the user whom claims name. Raises ClaimError."""
    for key, value in issuer.required:
        if claims.get(key) != value:
            raise ClaimError(f"required claim {key} is not {value!r}")
    name = claims.get(issuer.username_claim)
    if not isinstance(name, str) or not name:
        raise ClaimError(f"claim {issuer.username_claim!r} is not there, or is no text")
    if issuer.username_claim == "email" and claims.get("email_verified", True) is not True:
        raise ClaimError("email not verified")
    groups: tuple[str, ...] = ()
    if issuer.groups_claim:
        groups = tuple(issuer.groups_prefix + group for group in _texts(issuer, claims))
    token_id = claims.get("jti")
    extra = {CREDENTIAL_ID: (f"JTI={token_id}",)} if isinstance(token_id, str) else {}
    return User(issuer.prefix + name, with_group(groups, AUTHENTICATED), extra=extra)


def _texts(issuer: Issuer, claims: Mapping[str, Any]) -> list[str]:
    found = claims.get(issuer.groups_claim)
    if found is None:
        return []
    if isinstance(found, str):
        return [found]
    if isinstance(found, list) and all(isinstance(item, str) for item in found):
        return found
    raise ClaimError(f"claim {issuer.groups_claim!r} is neither a text nor a list of texts")
