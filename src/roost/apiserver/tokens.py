"""Service account tokens: JWTs that are bound to objects and expire.

`issue` and `verify` know keys and claims; whether the account and the bound objects still exist is
asked of a Lookup by `living_user`. Claims are exactly those of Kubernetes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from roost.api.kind import Resource
from roost.api.values import Object
from roost.apiserver.access.identity import (
    CREDENTIAL_ID,
    NODE_NAME,
    NODE_UID,
    POD_NAME,
    POD_UID,
    service_account_name,
    service_account_user,
)
from roost.apiserver.admission.port import Lookup
from roost.apiserver.attributes import User

ISSUER = "https://kubernetes.default.svc.cluster.local"
ACCOUNTS = Resource("", "v1", "serviceaccounts")
PODS = Resource("", "v1", "pods")
SECRETS = Resource("", "v1", "secrets")
NODES = Resource("", "v1", "nodes")

#: What the kubelet asks for when the volume does not say: tokens that old clients never reload.
LEGACY_LIFE_S = 3607
_EXTENDED_LIFE_S = 365 * 24 * 3600
#: An object that is being deleted keeps its tokens alive for so long.
_DELETION_GRACE_S = 60


class Keys(Protocol):
    """What signs tokens and verifies them: pki.signing.SigningKeys, or a simulation's."""

    @property
    def algorithm(self) -> str: ...

    @property
    def private(self) -> Any: ...

    @property
    def key_id(self) -> str: ...

    def verifying(self, key_id: str | None) -> Any:
        """Return the key that verifies tokens with this `kid`, None if it is not ours."""
        ...


class BadToken(Exception):
    """A token of ours that must not be accepted; the message may be shown to who reviews it."""


class NotOurs(Exception):
    """Not a token of this issuer at all: somebody else may know it."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What a token is for: the account, and at most one object it lives and dies with."""

    namespace: str
    account: str
    account_uid: str
    pod: tuple[str, str] | None = None  # (name, uid), here and below
    secret: tuple[str, str] | None = None
    node: tuple[str, str] | None = None

    def claims(self) -> Object:
        """Return the private claims, as under `kubernetes.io`."""
        claims: Object = {"namespace": self.namespace}
        for name in ("node", "pod", "secret"):
            if reference := getattr(self, name):
                claims[name] = {"name": reference[0], "uid": reference[1]}
        claims["serviceaccount"] = {"name": self.account, "uid": self.account_uid}
        return claims


@dataclass(frozen=True, slots=True)
class Token:
    """A verified token."""

    bound: Bound
    audiences: tuple[str, ...]
    expires: float
    token_id: str


def issue(
    keys: Keys, bound: Bound, audiences: Sequence[str], life_s: int, *, now: float,
    token_id: str, issuer: str = ISSUER,
) -> str:  # fmt: skip
    """Return a new token.

    A pod's token with the life that the kubelet asks for by default lives a year (as long as the pod
    does), because clients that read it only once would stop working; `warnafter` says when it ought
    to have been replaced. The real server does the same by default.
    """
    started = int(now)
    private = bound.claims()
    if bound.pod and life_s == LEGACY_LIFE_S and set(audiences) == {issuer}:
        private["warnafter"] = started + life_s
        life_s = _EXTENDED_LIFE_S
    claims = {
        "aud": list(audiences),
        "exp": started + life_s,
        "iat": started,
        "iss": issuer,
        "jti": token_id,
        "kubernetes.io": private,
        "nbf": started,
        "sub": service_account_name(bound.namespace, bound.account),
    }
    import jwt  # late, as below

    return jwt.encode(claims, keys.private, keys.algorithm, headers={"kid": keys.key_id})


def verify(
    keys: Keys, text: str, audiences: Sequence[str], *, now: float, issuer: str = ISSUER
) -> Token:
    """Return what a token says, its audiences cut down to those asked for.

    Raises NotOurs for what this server did not sign, BadToken for what it signed but is of no use.
    """
    claims = _decode(keys, text, issuer)
    token = _token_of(claims)
    if now >= token.expires:
        raise BadToken("service account token has expired")
    if now + _DELETION_GRACE_S < claims.get("nbf", 0):
        raise BadToken("service account token is not valid yet")
    common = tuple(audience for audience in token.audiences if audience in audiences)
    if not common:
        raise BadToken(
            f"token audiences {_go_list(token.audiences)} is invalid for the target audiences"
            f" {_go_list(audiences)}"
        )
    return Token(token.bound, common, token.expires, token.token_id)


def _decode(keys: Keys, text: str, issuer: str) -> Object:
    import jwt  # late: it brings all of cryptography along

    # A token of another issuer shall be passed on, so the issuer is looked at before the signature.
    try:
        header = jwt.get_unverified_header(text)
        key = keys.verifying(header.get("kid"))
        if key is None:
            raise NotOurs("signed with another key")
        claims: Object = jwt.decode(
            text,
            key,
            algorithms=[keys.algorithm],
            issuer=issuer,
            # The time is the caller's, not the machine's; audiences are compared by the caller.
            options={"verify_exp": False, "verify_nbf": False, "verify_iat": False,
                     "verify_aud": False, "require": ["exp", "iss", "sub"]},
        )  # fmt: skip
    except jwt.InvalidTokenError as error:
        raise NotOurs(str(error)) from error
    return claims


def _token_of(claims: Object) -> Token:
    try:
        private: Any = claims["kubernetes.io"]
        account = private["serviceaccount"]
        bound = Bound(
            private["namespace"],
            account["name"],
            account["uid"],
            *(_reference(private.get(name)) for name in ("pod", "secret", "node")),
        )
        audiences = claims.get("aud") or ()
        listed = (audiences,) if isinstance(audiences, str) else tuple(audiences)
        token = Token(bound, listed, float(claims["exp"]), claims.get("jti", ""))
    except (KeyError, TypeError, ValueError) as error:
        raise BadToken("token could not be validated") from error
    if claims["sub"] != service_account_name(bound.namespace, bound.account):
        raise BadToken("token subject does not match its service account")
    return token


def _reference(value: Any) -> tuple[str, str] | None:
    return (value["name"], value["uid"]) if value else None


async def living_user(token: Token, lookup: Lookup, *, now: float) -> User:
    """Return the user of a token whose account and bound objects are all still there.

    Raises BadToken if one of them is gone or was made anew.
    """
    bound = token.bound
    await _require(
        lookup, ACCOUNTS, "service account", (bound.account, bound.account_uid), bound, now
    )
    extra: dict[str, tuple[str, ...]] = {}
    if token.token_id:
        extra[CREDENTIAL_ID] = (f"JTI={token.token_id}",)
    if bound.secret:
        await _require(lookup, SECRETS, "secret", bound.secret, bound, now)
    if bound.pod:
        await _require(lookup, PODS, "pod", bound.pod, bound, now)
        extra[POD_NAME], extra[POD_UID] = (bound.pod[0],), (bound.pod[1],)
    if bound.node:
        if not bound.pod:  # with a pod, the pod is what the token lives with
            await _require(lookup, NODES, "node", bound.node, bound, now)
        extra[NODE_NAME], extra[NODE_UID] = (bound.node[0],), (bound.node[1],)
    return service_account_user(bound.namespace, bound.account, bound.account_uid, extra)


async def _require(
    lookup: Lookup,
    resource: Resource,
    what: str,
    reference: tuple[str, str],
    bound: Bound,
    now: float,
) -> None:
    name, uid = reference
    namespace = "" if resource == NODES else bound.namespace
    found = await lookup.get(resource, name, namespace)
    if found is None:
        raise BadToken(f"{what} {name!r} of the token has been deleted")
    metadata = found["metadata"]
    if metadata.get("uid") != uid:
        raise BadToken(f"{what} UID ({metadata.get('uid')}) does not match claim ({uid})")
    # Graceful deletion writes the end of the grace period.
    stamp = metadata.get("deletionTimestamp")
    if stamp and now > _epoch(stamp) + _DELETION_GRACE_S:
        raise BadToken(f"{what} {name!r} of the token has been deleted")


def _epoch(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def _go_list(texts: Sequence[str]) -> str:
    return "[" + " ".join(f'"{text}"' for text in texts) + "]"
