"""Bootstrap tokens: expired ones go, and `cluster-info` is signed with those that may sign it.

The signature lets a machine that knows a token trust what it reads before it trusts the server.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.values import Object
from roost.decisions.controller import Caches, Controller, Key, Watch
from roost.decisions.meta import (
    deleting,
    key_of,
    name_of,
    namespace_of,
    ref_of,
    seconds_of,
    uid_of,
    version_of,
)
from roost.decisions.plan import NOTHING, Delete, Patch, Plan
from roost.decisions.resources import CONFIG_MAPS, SECRETS

TYPE = "bootstrap.kubernetes.io/token"
_PREFIX = "bootstrap-token-"
_SIGNATURE = "jws-kubeconfig-"
_INFO = Key("kube-public", "cluster-info")


@dataclass(frozen=True, slots=True)
class TokenView:
    """A Secret that holds a bootstrap token."""

    secret: Object
    now: float


@dataclass(frozen=True, slots=True)
class InfoView:
    """The ConfigMap cluster-info, and the tokens."""

    config: Object
    tokens: tuple[Object, ...]
    now: float


def _is_token(secret: Object) -> bool:
    return namespace_of(secret) == "kube-system" and secret.get("type") == TYPE


def _text(secret: Object, field: str) -> str:
    encoded = (secret.get("data") or {}).get(field, "")
    try:
        return b64decode(encoded, validate=True).decode()
    except ValueError:
        return ""


def expires_at(secret: Object) -> float | None:
    """Return when a token expires; None if never. One that cannot be read has expired."""
    text = _text(secret, "expiration")
    if not text:
        return None
    try:
        return seconds_of(text)
    except ValueError:
        return 0.0


def clean(view: TokenView) -> Plan:
    """Delete a token that has expired."""
    at = expires_at(view.secret)
    if at is None or deleting(view.secret):
        return NOTHING
    if at > view.now:
        return Plan(wake_at=at)
    ref, version = ref_of(SECRETS, view.secret), version_of(view.secret)
    return Plan((Delete(ref, resource_version=version),))


def signature(content: str, token_id: str, secret: str) -> str:
    """Return the detached JWS of a document, signed with a token."""
    header = json.dumps({"alg": "HS256", "kid": token_id}, separators=(",", ":"))
    first, payload = _base64(header.encode()), _base64(content.encode())
    mac = hmac.digest(f"{token_id}.{secret}".encode(), f"{first}.{payload}".encode(), "sha256")
    return f"{first}..{_base64(mac)}"


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _signing(secret: Object, now: float) -> tuple[str, str] | None:
    """Return the id and secret of a token that may sign now."""
    at = expires_at(secret)
    token_id, token = _text(secret, "token-id"), _text(secret, "token-secret")
    if deleting(secret) or (at is not None and at <= now) or not token_id or not token:
        return None
    if name_of(secret) != _PREFIX + token_id or _text(secret, "usage-bootstrap-signing") != "true":
        return None
    return token_id, token


def sign(view: InfoView) -> Plan:
    """Bring the signatures up to date."""
    data = view.config.get("data") or {}
    content = data.get("kubeconfig")
    if not content:
        return NOTHING
    tokens = [found for s in view.tokens if (found := _signing(s, view.now)) is not None]
    wanted = {_SIGNATURE + one[0]: signature(content, *one) for one in tokens}
    before = {key: value for key, value in data.items() if key.startswith(_SIGNATURE)}
    ends = [at for s in view.tokens if (at := expires_at(s)) is not None and at > view.now]
    wake_at = min(ends, default=None)
    if wanted == before:
        return Plan(wake_at=wake_at)
    gone = dict.fromkeys(before.keys() - wanted.keys())
    body = {
        "metadata": {"uid": uid_of(view.config), "resourceVersion": version_of(view.config)},
        "data": {**wanted, **gone},
    }
    return Plan((Patch(ref_of(CONFIG_MAPS, view.config), body),), wake_at)


def _token_view(caches: Caches, key: Key, now: float) -> TokenView | None:
    secret = caches[SECRETS].get(*key)
    return TokenView(secret, now) if secret is not None and _is_token(secret) else None


def _info_view(caches: Caches, key: Key, now: float) -> InfoView | None:
    config = caches[CONFIG_MAPS].get(*key)
    if config is None:
        return None
    tokens = tuple(s for s in caches[SECRETS].all("kube-system") if _is_token(s))
    return InfoView(config, tokens, now)


def _own(secret: Object, _caches: Caches) -> Iterable[Key]:
    return (key_of(secret),) if _is_token(secret) else ()


def _to_info(secret: Object, _caches: Caches) -> Iterable[Key]:
    return (_INFO,) if _is_token(secret) else ()


def _is_info(config: Object, _caches: Caches) -> Iterable[Key]:
    return (_INFO,) if key_of(config) == _INFO else ()


CLEANER = Controller(
    name="token-cleaner-controller",
    component="token-cleaner",
    watches=(Watch(SECRETS, _own),),
    view=_token_view,
    reconcile=clean,
)

SIGNER = Controller(
    name="bootstrap-signer-controller",
    component="bootstrap-signer",
    watches=(Watch(CONFIG_MAPS, _is_info), Watch(SECRETS, _to_info)),
    view=_info_view,
    reconcile=sign,
)
