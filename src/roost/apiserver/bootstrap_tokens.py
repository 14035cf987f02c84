"""Bootstrap tokens: secrets in kube-system by which a machine joins before it has an identity."""

from __future__ import annotations

import binascii
import hmac
import re
from base64 import b64decode
from datetime import datetime

from roost.api.kind import Resource
from roost.api.values import Object
from roost.apiserver.access.identity import AUTHENTICATED, BOOTSTRAPPERS
from roost.apiserver.admission.port import Lookup
from roost.apiserver.attributes import User

SECRET_TYPE = "bootstrap.kubernetes.io/token"  # noqa: S105  # the name of a type
NAMESPACE = "kube-system"
_SECRETS = Resource("", "v1", "secrets")
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")


def secret_name(token_id: str) -> str:
    return f"bootstrap-token-{token_id}"


def is_bootstrap_token(token: str) -> bool:
    return _TOKEN.fullmatch(token) is not None


async def find(token: str, lookup: Lookup, *, now: float) -> User | None:
    """Return the user of a bootstrap token, None if it is unknown, expired or for other uses."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        return None
    token_id, secret = match.groups()
    found = await lookup.get(_SECRETS, secret_name(token_id), NAMESPACE)
    if (
        found is None
        or found.get("type") != SECRET_TYPE
        or found["metadata"].get("deletionTimestamp")
    ):
        return None
    return _user(found, token_id, secret, now)


def _user(found: Object, token_id: str, secret: str, now: float) -> User | None:
    data = {key: _text(value) for key, value in (found.get("data") or {}).items()}
    if data.get("token-id") != token_id:
        return None
    if not hmac.compare_digest(data.get("token-secret", ""), secret):
        return None
    if data.get("usage-bootstrap-authentication") != "true" or _expired(data, now):
        return None
    groups = [group.strip() for group in data.get("auth-extra-groups", "").split(",")]
    extra = sorted(set(filter(None, groups)))
    if any(_GROUP.fullmatch(group) is None for group in extra):
        return None
    return User(f"system:bootstrap:{token_id}", (BOOTSTRAPPERS, *extra, AUTHENTICATED))


def _expired(data: dict[str, str], now: float) -> bool:
    stamp = data.get("expiration", "")
    if not stamp:
        return False
    try:
        return now >= datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return True  # as the real server does: an unreadable end has passed


def _text(value: str) -> str:
    try:
        return b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
