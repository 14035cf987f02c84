"""Persistent volumes: what of them never changes."""

from collections.abc import Callable
from typing import Any

Refused = Callable[..., list[str]]


def volume(value: str) -> dict[str, Any]:
    requirement = {"key": "kubernetes.io/hostname", "operator": "In", "values": [value]}
    terms = [{"matchExpressions": [requirement]}]
    return {
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "local": {"path": "/data"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
        }
    }


def test_where_a_volume_is_never_changes(refused: Refused) -> None:
    shown = (
        '{"Required":{"NodeSelectorTerms":[{"MatchExpressions":[{"Key":"kubernetes.io/hostname",'
        '"Operator":"In","Values":["b"]}],"MatchFields":null}]}}'
    )
    assert refused("", "PersistentVolume", volume("b"), volume("a")) == [
        (
            f"nodeAffinity: Invalid value: {shown}: field is immutable, "
            "except for updating from beta label to GA"
        )
    ]
