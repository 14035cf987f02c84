"""Tokens of service accounts in Secrets, for those who want one that does not expire.

Whoever makes a Secret of the type kubernetes.io/service-account-token that names an account gets the
token, the CA and the namespace put into it; the Secret goes with its account.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from roost.api.values import Object
from roost.decisions.controller import Caches, Controller, Key, Watch
from roost.decisions.meta import created_at, deleting, key_of, ref_of, uid_of, version_of
from roost.decisions.plan import NOTHING, Delete, Plan, Update
from roost.decisions.resources import SECRETS, SERVICE_ACCOUNTS

TYPE: Final = "kubernetes.io/service-account-token"
ACCOUNT: Final = "kubernetes.io/service-account.name"
ACCOUNT_UID: Final = "kubernetes.io/service-account.uid"
_BY_ACCOUNT: Final = "tokens by account"
#: An account that is made together with its Secret may be seen later than it.
_PATIENCE_S: Final = 10.0

#: Makes a token of (namespace, name of the Secret, name and uid of the account).
Sign: TypeAlias = Callable[[str, str, str, str], str]


@dataclass(frozen=True, slots=True)
class View:
    """A Secret for a token, the account that it names, and the time."""

    secret: Object
    account: Object | None
    now: float


def _named(secret: Object) -> tuple[str, str]:
    """Return the name and the uid of the account that a Secret is for; the uid may be ""."""
    annotations = secret["metadata"].get("annotations") or {}
    return annotations.get(ACCOUNT) or "", annotations.get(ACCOUNT_UID) or ""


def _secret_keys(secret: Object, _caches: Caches) -> Iterable[Key]:
    return (key_of(secret),) if secret.get("type") == TYPE else ()


def _by_account(secret: Object) -> Iterable[str]:
    if secret.get("type") == TYPE:
        yield f"{secret['metadata']['namespace']}/{_named(secret)[0]}"


def _account_keys(account: Object, caches: Caches) -> Iterable[Key]:
    name = f"{account['metadata']['namespace']}/{account['metadata']['name']}"
    return [key_of(secret) for secret in caches[SECRETS].by(_BY_ACCOUNT, name)]


def _view(caches: Caches, key: Key, now: float) -> View | None:
    secret = caches[SECRETS].get(*key)
    if secret is None or secret.get("type") != TYPE or deleting(secret):
        return None
    name, uid = _named(secret)
    account = caches[SERVICE_ACCOUNTS].get(key.namespace, name)
    if account is not None and (deleting(account) or uid not in ("", uid_of(account))):
        account = None
    return View(secret, account, now)


def reconcile(view: View, ca_pem: str, sign: Sign | None) -> Plan:
    """Fill a Secret, or remove it when its account is gone."""
    secret, account = view.secret, view.account
    if account is None:
        patience = created_at(secret) + _PATIENCE_S
        if view.now < patience:
            return Plan(wake_at=patience)
        return Plan((Delete(ref_of(SECRETS, secret), resource_version=version_of(secret)),))
    if sign is None:
        return NOTHING
    metadata, data = secret["metadata"], secret.get("data") or {}
    namespace, name = metadata["namespace"], account["metadata"]["name"]
    wanted = {"ca.crt": _encoded(ca_pem), "namespace": _encoded(namespace)}
    if not data.get("token"):
        wanted["token"] = _encoded(sign(namespace, metadata["name"], name, uid_of(account)))
    annotations = {**metadata["annotations"], ACCOUNT_UID: uid_of(account)}
    if {**data, **wanted} == data and annotations == metadata["annotations"]:
        return NOTHING
    filled = {
        **secret,
        "metadata": {**metadata, "annotations": annotations},
        "data": {**data, **wanted},
    }
    return Plan((Update(SECRETS, filled),))


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def secret_tokens(ca_pem: str, sign: Sign | None) -> Controller[View]:
    """Return the controller; without `sign` it only removes what is left of accounts."""
    return Controller(
        name="serviceaccount-token-controller",
        watches=(
            Watch(SECRETS, _secret_keys, {_BY_ACCOUNT: _by_account}),
            Watch(SERVICE_ACCOUNTS, _account_keys),
        ),
        view=_view,
        reconcile=lambda view: reconcile(view, ca_pem, sign),
    )
