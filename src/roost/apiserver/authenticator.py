"""Who asks: client certificates, bearer tokens, or nobody.

Rule: credentials that are given must be good; only who gives none is anonymous. A client certificate
counts before a token. Successes are cached for a few seconds, failures never. What needs cryptography is
imported where it is used: in a web page there is none, and no certificate either.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roost.api.errors import Unauthorized
from roost.apiserver import bootstrap_tokens, legacy_tokens, tokens
from roost.apiserver.admission.port import Lookup
from roost.apiserver.attributes import ANONYMOUS, User
from roost.ports.histogram import Histogram
from roost.ports.port import WallClock

if TYPE_CHECKING:
    from roost.apiserver.outside import OutsideTokens
    from roost.apiserver.static_tokens import StaticTokens
    from roost.apiserver.vouching import Vouchers

#: For how long an answer may be out of date, in seconds; the real server caches as long.
CACHE_S = 10.0
_CACHE_LIMIT = 4096
_HOUR_S, _DAY_S = 3600, 24 * 3600
_LIFETIMES_S = (
    0, _HOUR_S / 2, _HOUR_S, 2 * _HOUR_S, 6 * _HOUR_S, 12 * _HOUR_S, _DAY_S, 2 * _DAY_S, 4 * _DAY_S,
    7 * _DAY_S, 30 * _DAY_S, 90 * _DAY_S, 180 * _DAY_S, 360 * _DAY_S,
)  # fmt: skip
_WEBSOCKET_BEARER = "base64url.bearer.authorization.k8s.io."


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request brings. `certificate` is DER, and TLS has verified its chain."""

    authorization: str = ""
    certificate: bytes | None = None
    #: All headers, for proxies that say who asks.
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a token is worth: a user with the audiences it is good for, or an error."""

    user: User | None
    audiences: tuple[str, ...] = ()
    error: str = ""


class Authenticator:
    """Finds out who asks."""

    def __init__(
        self,
        clock: WallClock,
        keys: tokens.Keys,
        lookup: Lookup,
        static: StaticTokens | None = None,
        *,
        issuer: str = tokens.ISSUER,
        anonymous: bool = True,
        outside: OutsideTokens | None = None,
        vouchers: Vouchers | None = None,
        mark: legacy_tokens.Mark | None = None,
    ) -> None:
        self.audiences = (issuer,)
        self._clock = clock
        self._keys = keys
        self._lookup = lookup
        self._static = static
        self._issuer = issuer
        self._anonymous = anonymous
        self._outside = outside
        self._vouchers = vouchers
        self._mark = mark
        #: For how long certificates were still good when they were used, in seconds.
        self.lifetimes = Histogram(_LIFETIMES_S)
        self._tokens: dict[bytes, tuple[User, float]] = {}
        self._certificates: dict[bytes, tuple[User, float, float]] = {}

    async def authenticate(self, credentials: Credentials) -> User:
        """Return who asks. Raises Unauthorized for bad credentials."""
        if credentials.certificate is not None:
            user = self._by_connection(credentials.certificate, credentials.headers)
            if user is not None:
                return user
        token = bearer_token(credentials.authorization)
        if token:
            return await self._by_token(token)
        if credentials.certificate is not None or not self._anonymous:
            raise _unauthorized()
        return ANONYMOUS

    async def review(self, token: str, audiences: Sequence[str] = ()) -> Reviewed:
        """Return what a token is worth for some audiences (none: this API server)."""
        try:
            user, good_for, _ = await self._find(token, audiences or self.audiences)
        except tokens.NotOurs:
            return Reviewed(None, error="invalid bearer token")
        except tokens.BadToken as error:
            return Reviewed(None, error=f"[invalid bearer token, {error}]")
        return Reviewed(user, good_for)

    async def _by_token(self, token: str) -> User:
        now = self._clock.now()
        key = hashlib.sha256(token.encode()).digest()
        if (known := self._tokens.get(key)) is not None:
            if now < known[1]:
                return known[0]
            del self._tokens[key]
        try:
            user, _, expires = await self._find(token, self.audiences)
        except (tokens.NotOurs, tokens.BadToken) as error:
            raise _unauthorized() from error
        if len(self._tokens) >= _CACHE_LIMIT:
            del self._tokens[next(iter(self._tokens))]  # the oldest
        self._tokens[key] = (user, min(expires, now + CACHE_S))
        return user

    async def _find(
        self, token: str, audiences: Sequence[str]
    ) -> tuple[User, tuple[str, ...], float]:
        """Return (user, audiences it is good for, when it ends).

        Raises NotOurs or BadToken.
        """
        now = self._clock.now()
        # All but service accounts' are for this server alone, whatever audience was asked for.
        good_for = tuple(audience for audience in audiences if audience in self.audiences)
        if token.count(".") == 2:
            try:
                verified = tokens.verify(self._keys, token, audiences, now=now, issuer=self._issuer)
            except tokens.NotOurs:
                if not good_for:
                    raise
                user, expires = await self._find_elsewhere(token, now)
                return user, good_for, expires
            user = await tokens.living_user(verified, self._lookup, now=now)
            return user, verified.audiences, verified.expires
        found: User | None = None
        if good_for and self._static is not None:
            found = self._static.find(token, now=now)
        if good_for and found is None:
            found = await bootstrap_tokens.find(token, self._lookup, now=now)
        if found is None:
            raise tokens.NotOurs("nobody knows the token")
        return found, good_for, now + CACHE_S

    async def _find_elsewhere(self, token: str, now: float) -> tuple[User, float]:
        """Return whose JWT this is that is no bound token, and when it ends."""
        try:
            user = await legacy_tokens.find(self._keys, token, self._lookup, self._mark, now)
            return user, now + CACHE_S
        except tokens.NotOurs:
            if self._outside is None:
                raise
        return await self._outside.find(token)

    def _by_connection(self, der: bytes, headers: Mapping[str, str]) -> User | None:
        """Return whose certificate this is, or for whom its proxy vouches."""
        if self._vouchers is None:
            return self._by_certificate(der)
        vouched = self._vouchers.user(der, headers)
        if vouched is not None:
            return vouched
        return self._by_certificate(der) if self._vouchers.is_client(der) else None

    def _by_certificate(self, der: bytes) -> User | None:
        known = self._certificates.get(der)
        if known is None:
            from roost.apiserver.pki.clients import read_client

            if len(self._certificates) >= _CACHE_LIMIT:
                del self._certificates[next(iter(self._certificates))]
            known = self._certificates[der] = read_client(der)
        user, start, end = known
        # TLS looked at the dates when the connection began, which may be long ago.
        now = self._clock.now()
        self.lifetimes.observe(end - now)
        return user if start <= now < end else None


def bearer_token(authorization: str) -> str:
    """Return the token of an Authorization header, "" if it has none."""
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def websocket_token(protocols: str) -> tuple[str, str]:
    """Return the bearer token in a Sec-WebSocket-Protocol header, and the header without it.

    Browsers cannot send an Authorization header with a WebSocket. Raises Unauthorized if it is
    not readable, or the only protocol.
    """
    offered = [protocol.strip() for protocol in protocols.split(",")]
    carriers = [protocol for protocol in offered if protocol.startswith(_WEBSOCKET_BEARER)]
    if not carriers:
        return "", protocols
    rest = [protocol for protocol in offered if protocol not in carriers]
    encoded = carriers[0][len(_WEBSOCKET_BEARER) :]
    try:
        token = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _unauthorized() from error
    if not rest or not token or len(carriers) > 1:
        raise _unauthorized()
    return token, ", ".join(rest)


def _unauthorized() -> Unauthorized:
    return Unauthorized("Unauthorized")
