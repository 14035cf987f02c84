"""The flow schemas and priority levels that must stay what they are, and how a changed one is shown."""

from __future__ import annotations

from typing import Any

from roost.api.validation.causes import Causes
from roost.api.validation.goform import Shape, of, shape, structure
from roost.api.values import Object

_EVERY = ["*"]
_ANYTHING: Object = {
    "resourceRules": [
        {
            "verbs": _EVERY, "apiGroups": _EVERY, "resources": _EVERY, "clusterScope": True,
            "namespaces": _EVERY,
        }
    ],
    "nonResourceRules": [{"verbs": _EVERY, "nonResourceURLs": _EVERY}],
}  # fmt: skip


def _groups(*names: str) -> list[Object]:
    return [{"kind": "Group", "group": {"name": name}} for name in names]


SCHEMAS: dict[str, Object] = {
    "exempt": {
        "priorityLevelConfiguration": {"name": "exempt"},
        "matchingPrecedence": 1,
        "rules": [{"subjects": _groups("system:masters"), **_ANYTHING}],
    },
    "catch-all": {
        "priorityLevelConfiguration": {"name": "catch-all"},
        "matchingPrecedence": 10000,
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [
            {
                "subjects": _groups("system:unauthenticated", "system:authenticated"),
                **_ANYTHING,
            }
        ],
    },
}
LEVELS: dict[str, Object] = {
    "exempt": {
        "type": "Exempt",
        "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0},
    },
    "catch-all": {
        "type": "Limited",
        "limited": {
            "nominalConcurrencyShares": 5,
            "lendablePercent": 0,
            "limitResponse": {"type": "Reject"},
        },
    },
}
_NAME: Shape = shape(("Name", ""))
_SUBJECT = shape(
    ("Kind", ""), ("User", *of(_NAME)), ("Group", *of(_NAME)),
    ("ServiceAccount", *of(shape(("Namespace", ""), ("Name", "")))),
)  # fmt: skip
_RESOURCES = shape(
    "Verbs", "APIGroups=apiGroups", "Resources", ("ClusterScope", False), "Namespaces"
)
_RULE = shape(
    ("Subjects", *of(_SUBJECT)), ("ResourceRules", *of(_RESOURCES)),
    ("NonResourceRules", *of(shape("Verbs", "NonResourceURLs=nonResourceURLs"))),
)  # fmt: skip
_SCHEMA = shape(
    ("PriorityLevelConfiguration", *structure(_NAME)), ("MatchingPrecedence", 0),
    ("DistinguisherMethod", *of(shape(("Type", "")))), ("Rules", *of(_RULE)),
)  # fmt: skip
_QUEUING = shape(("Queues", 0), ("HandSize", 0), ("QueueLengthLimit", 0))
_LIMITED = shape(
    ("NominalConcurrencyShares", 0),
    ("LimitResponse", *structure(shape(("Type", ""), ("Queuing", *of(_QUEUING))))),
    "LendablePercent", "BorrowingLimitPercent",
)  # fmt: skip
_LEVEL = shape(
    ("Type", ""), ("Limited", *of(_LIMITED)),
    ("Exempt", *of(shape("NominalConcurrencyShares", "LendablePercent"))),
)  # fmt: skip


def fixed_schema(name: Any, spec: Object, causes: Causes) -> None:
    """Refuse a mandatory flow schema that is not what it must be."""
    if name in SCHEMAS and spec != SCHEMAS[name]:
        text = f"spec of '{name}' must equal the fixed value"
        causes.invalid("spec", _SCHEMA.show(spec), text)


def fixed_level(name: Any, spec: Object, causes: Causes) -> None:
    """Refuse a mandatory priority level that is not what it must be: what exempts may be changed."""
    if name not in LEVELS:
        return
    if name == "exempt":
        text = f"spec of '{name}' except the 'spec.exempt' field must equal the fixed value"
        spec_, wanted = {**spec, "exempt": None}, {**LEVELS[name], "exempt": None}
        if spec_ != wanted:
            causes.invalid("spec", _LEVEL.show(spec), text)
    elif spec != LEVELS[name]:
        causes.invalid("spec", _LEVEL.show(spec), f"spec of '{name}' must equal the fixed value")
