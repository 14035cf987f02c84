"""Secrets that hold a service account's token: filled, put right, and gone with their account."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from roost.controllers.secrettokens import ACCOUNT, ACCOUNT_UID, TYPE, View, reconcile
from roost.decisions.meta import stamp
from roost.decisions.plan import NOTHING, Delete, Update

NOW = 1_800_000_000.0
LOW = {"metadata": {"name": "low", "namespace": "ns", "uid": "u-1"}}


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def secret(uid: str = "", **data: str) -> dict[str, Any]:
    annotations = {ACCOUNT: "low", **({ACCOUNT_UID: uid} if uid else {})}
    metadata = {
        "name": "s", "namespace": "ns", "uid": "u-s", "annotations": annotations,
        "creationTimestamp": stamp(NOW - 5), "resourceVersion": "7",
    }  # fmt: skip
    return {"type": TYPE, "metadata": metadata, "data": data}


def sign(namespace: str, name: str, account: str, uid: str) -> str:
    return f"{namespace}/{name}/{account}/{uid}"


FULL = {
    "ca.crt": encoded("PEM"), "namespace": encoded("ns"), "token": encoded("ns/s/low/u-1"),
}  # fmt: skip


def test_an_empty_secret_is_filled_and_then_left_alone() -> None:
    (action,) = reconcile(View(secret(), LOW, NOW), "PEM", sign).actions
    assert isinstance(action, Update)
    assert action.object["data"] == FULL
    assert action.object["metadata"]["annotations"] == {ACCOUNT: "low", ACCOUNT_UID: "u-1"}
    assert reconcile(View(action.object, LOW, NOW), "PEM", sign) == NOTHING


def test_another_ca_is_put_right_and_the_token_stays() -> None:
    old = secret("u-1", **{**FULL, "ca.crt": "old", "token": "kept", "mine": "too"})
    (action,) = reconcile(View(old, LOW, NOW), "PEM", sign).actions
    assert action.object["data"] == {**FULL, "token": "kept", "mine": "too"}


def test_a_secret_waits_for_its_account_and_goes_without() -> None:
    assert reconcile(View(secret(), None, NOW), "PEM", sign).wake_at == NOW + 5
    (action,) = reconcile(View(secret(), None, NOW + 6), "PEM", sign).actions
    assert isinstance(action, Delete)
    assert (action.ref.name, action.ref.uid, action.resource_version) == ("s", "u-s", "7")


def test_without_a_key_nothing_is_filled() -> None:
    assert reconcile(View(secret(), LOW, NOW), "PEM", None) == NOTHING
