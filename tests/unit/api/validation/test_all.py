"""Every rule bears what decoding lets through."""

from typing import Any

from roost.api.groups import ALL_KINDS
from roost.api.kind import Change

BODIES: list[dict[str, Any]] = [{}, {"spec": {}}, {"spec": {}, "status": {}}]


def test_an_almost_empty_object_is_judged_not_stumbled_over() -> None:
    for kind in ALL_KINDS:
        if kind.validate is None:
            continue
        for spec in BODIES:
            value: dict[str, Any] = {"metadata": {"name": "x", "namespace": "n"}, **spec}
            old = {"metadata": {"name": "x", "namespace": "n"}, **spec}
            kind.validate(Change(value))
            for subresource in ("", *kind.subresources):
                kind.validate(Change(value, old, subresource))
