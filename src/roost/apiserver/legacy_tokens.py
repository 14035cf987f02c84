"""Tokens that a Secret of the type kubernetes.io/service-account-token holds: they never expire.

Such a token is good for as long as its Secret holds it and its service account lives. On the Secret is
noted on which day it was last used, so that those that nobody needs can be found. Claims and words are
those of Kubernetes.
"""

from __future__ import annotations

import binascii
import logging
from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from roost.api.errors import StatusError
from roost.api.values import Object
from roost.apiserver.access.identity import service_account_name, service_account_user
from roost.apiserver.admission.port import Lookup
from roost.apiserver.attributes import User
from roost.apiserver.tokens import ACCOUNTS, SECRETS, BadToken, Keys, NotOurs
from roost.client.port import Client
from roost.controllers.legacytokens import INVALID_SINCE, LAST_USED, day

ISSUER: Final = "kubernetes/serviceaccount"
_CLAIM: Final = "kubernetes.io/serviceaccount/"
_log: Final = logging.getLogger("roost.tokens")

#: Notes that the token of a Secret was used on a day; what goes wrong is its own affair.
Mark: TypeAlias = Callable[[Object, str], Awaitable[None]]


def issue(keys: Keys, namespace: str, secret: str, account: str, account_uid: str) -> str:
    """Return the token of a Secret."""
    claims = {
        "iss": ISSUER,
        f"{_CLAIM}namespace": namespace,
        f"{_CLAIM}secret.name": secret,
        f"{_CLAIM}service-account.name": account,
        f"{_CLAIM}service-account.uid": account_uid,
        "sub": service_account_name(namespace, account),
    }
    import jwt  # late, as below

    return jwt.encode(claims, keys.private, keys.algorithm, headers={"kid": keys.key_id})


def marking(client: Callable[[], Client]) -> Mark:
    """Return what marks Secrets by a client."""

    async def mark(secret: Object, today: str) -> None:
        metadata = secret["metadata"]
        body: Object = {"metadata": {"uid": metadata["uid"], "labels": {LAST_USED: today}}}
        try:
            await client().patch(SECRETS, metadata["name"], body, metadata["namespace"])
        except StatusError as error:
            _log.warning("cannot note the use of %s: %s", metadata["name"], error)

    return mark


async def find(
    keys: Keys, token: str, lookup: Lookup, mark: Mark | None = None, now: float = 0.0
) -> User:
    """Return whose token this is. Raises NotOurs, or BadToken if it is good no longer."""
    claims = _decode(keys, token)
    try:
        namespace, secret_name, account_name, uid = (
            str(claims[_CLAIM + name])
            for name in ("namespace", "secret.name", "service-account.name", "service-account.uid")
        )
    except KeyError as error:
        raise BadToken(f"{error} claim is missing") from error
    if claims.get("sub") != service_account_name(namespace, account_name):
        raise BadToken("sub claim is invalid")
    secret = await lookup.get(SECRETS, secret_name, namespace)
    if secret is None or "deletionTimestamp" in secret["metadata"]:
        raise BadToken("Token has been invalidated")
    if _held(secret) != token.encode():
        raise BadToken("Token does not match server's copy")
    account = await lookup.get(ACCOUNTS, account_name, namespace)
    if account is None or "deletionTimestamp" in account["metadata"]:
        raise BadToken(f"ServiceAccount {namespace}/{account_name} has been deleted")
    if account["metadata"].get("uid") != uid:
        raise BadToken(
            f"ServiceAccount UID ({account['metadata'].get('uid')}) does not match claim ({uid})"
        )
    labels = secret["metadata"].get("labels") or {}
    if mark is not None and labels.get(LAST_USED) != day(now):
        await mark(secret, day(now))
    if labels.get(INVALID_SINCE):
        raise BadToken(
            f"the token in secret {namespace}/{secret_name} for service account "
            f"{namespace}/{account_name} has been marked invalid. Use tokens from the TokenRequest "
            f"API or manually created secret-based tokens, or remove the '{INVALID_SINCE}' label "
            "from the secret to temporarily allow use of this token"
        )
    return service_account_user(namespace, account_name, uid, {})


def _decode(keys: Keys, token: str) -> Object:
    import jwt  # late: it brings all of cryptography along

    try:
        key = keys.verifying(jwt.get_unverified_header(token).get("kid"))
        if key is None:
            raise NotOurs("signed with another key")
        claims: Any = jwt.decode(token, key, algorithms=[keys.algorithm], issuer=ISSUER)
    except jwt.InvalidTokenError as error:
        raise NotOurs(str(error)) from error
    found: Object = claims
    return found


def _held(secret: Object) -> bytes:
    try:
        return b64decode((secret.get("data") or {}).get("token") or "", validate=True)
    except binascii.Error:
        return b""
