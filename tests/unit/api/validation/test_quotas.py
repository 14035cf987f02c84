"""Quotas: which scopes fit which resources."""

from collections.abc import Callable

Refused = Callable[..., list[str]]


def test_a_selector_that_does_not_fit_is_shown_as_a_structure(refused: Refused) -> None:
    requirement = {"scopeName": "BestEffort", "operator": "Exists"}
    spec = {"hard": {"cpu": "1"}, "scopeSelector": {"matchExpressions": [requirement]}}
    shown = '{"MatchExpressions":[{"ScopeName":"BestEffort","Operator":"Exists","Values":null}]}'
    assert refused("", "ResourceQuota", {"spec": spec}) == [
        (
            f"spec.scopeSelector.matchExpressions: Invalid value: {shown}: "
            "unsupported scope applied to resource"
        )
    ]
