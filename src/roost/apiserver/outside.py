"""Tokens of outside issuers: verified with the keys that the issuer publishes.

Keys are fetched when a token is signed with one that is not known, and at most so often; a failure is
remembered too, so that bad tokens cannot make this server a burden to the issuer.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

import jwt

from roost.apiserver import tokens
from roost.apiserver.access.oidc import ALGORITHMS, ClaimError, Issuer, user_of
from roost.apiserver.attributes import User
from roost.ports.port import WallClock

_FETCH_EVERY_S: Final = 10.0
_KEEP_S: Final = 3600.0
_SLACK_S: Final = 10.0


class Documents(Protocol):
    """Gets JSON documents over HTTPS; see roost.apiserver.http.callout."""

    async def get(self, url: str) -> Any:
        """Return a decoded document; raises OSError, TimeoutError or ValueError."""
        ...


class OutsideTokens:
    """Verifies the tokens of one issuer."""

    def __init__(self, issuer: Issuer, documents: Documents, clock: WallClock) -> None:
        self.issuer = issuer
        self._documents = documents
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = self._tried = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, token: str) -> tuple[User, float]:
        """Return whose token this is, and when it ends.

        Raises NotOurs for tokens of others, BadToken for one of the issuer that is of no use.
        """
        try:
            header = jwt.get_unverified_header(token)
            claims = jwt.decode(token, options={"verify_signature": False})
        except jwt.InvalidTokenError as error:
            raise tokens.NotOurs(str(error)) from error
        if claims.get("iss") != self.issuer.url:
            raise tokens.NotOurs("another issuer")
        key = await self._key(str(header.get("kid", "")))
        try:
            return self._verified(token, key)
        except (jwt.InvalidTokenError, ClaimError) as error:
            raise tokens.BadToken(f"oidc: {error}") from error

    def _verified(self, token: str, key: jwt.PyJWK) -> tuple[User, float]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[name for name in ALGORITHMS if _fits(name, key)],
            audience=self.issuer.client_id,
            issuer=self.issuer.url,
            # The time is the caller's, not the machine's.
            options={"verify_exp": False, "verify_nbf": False, "verify_iat": False,
                     "require": ["exp", "iss", "aud"]},
        )  # fmt: skip
        now = self._clock.now()
        try:
            expires, begins = float(claims["exp"]), float(claims.get("nbf", 0))
        except (TypeError, ValueError) as error:
            raise ClaimError("exp and nbf must be numbers") from error
        if now >= expires:
            raise ClaimError("verify token: token is expired")
        if now + _SLACK_S < begins:
            raise ClaimError("verify token: token is not valid yet")
        return user_of(self.issuer, claims), expires

    async def _key(self, key_id: str) -> jwt.PyJWK:
        async with self._lock:
            now = self._clock.now()
            stale = now - self._fetched > _KEEP_S
            if (stale or key_id not in self._keys) and now - self._tried > _FETCH_EVERY_S:
                self._tried = now
                await self._fetch(now)
        found = self._keys.get(key_id)
        if found is None and not key_id and len(self._keys) == 1:
            (found,) = self._keys.values()
        if found is None:
            raise tokens.BadToken("oidc: failed to verify signature: no matching key")
        return found

    async def _fetch(self, now: float) -> None:
        """Read the issuer's keys; those that are known stay if that fails."""
        place = self.issuer.url.rstrip("/") + "/.well-known/openid-configuration"
        try:
            document = await self._documents.get(place)
            if document["issuer"] != self.issuer.url or not document["jwks_uri"].startswith(
                "https://"
            ):
                return
            found = jwt.PyJWKSet.from_dict(await self._documents.get(document["jwks_uri"]))
        except (OSError, TimeoutError, ValueError, LookupError, TypeError, AttributeError):
            return
        except jwt.PyJWTError:
            return
        self._keys = {str(key.key_id or ""): key for key in found.keys}
        self._fetched = now


_KEY_TYPES: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC"}


def _fits(algorithm: str, key: jwt.PyJWK) -> bool:
    """Is the algorithm for keys of that kind? What the token itself says does not decide."""
    return _KEY_TYPES[algorithm[:2]] == key.key_type
