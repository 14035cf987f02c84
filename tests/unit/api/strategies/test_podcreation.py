"""What a new pod gets from its labels and annotations."""

from typing import Any

import pytest

from roost.api.kind import Change
from roost.api.strategies.podcreation import app_armor_fields, match_label_keys

KEY = "container.apparmor.security.beta.kubernetes.io/c"


def test_label_keys_become_requirements() -> None:
    term = {"labelSelector": {}, "matchLabelKeys": ["a", "none"], "mismatchLabelKeys": ["b"]}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    pod: dict[str, Any] = {
        "metadata": {"labels": {"a": "1", "b": "2"}},
        "spec": {
            "affinity": {"podAffinity": {required: [term]}},
            "topologySpreadConstraints": [
                {"labelSelector": {}, "matchLabelKeys": ["a"]},
                {"matchLabelKeys": ["a"]},
            ],
        },
    }
    match_label_keys(pod)
    of_a = {"key": "a", "operator": "In", "values": ["1"]}
    of_b = {"key": "b", "operator": "NotIn", "values": ["2"]}
    assert term["labelSelector"] == {"matchExpressions": [of_a, of_b]}
    spread, without = pod["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"] == {"matchExpressions": [of_a]}
    assert "labelSelector" not in without


@pytest.mark.parametrize(
    ("annotation", "profile"),
    [
        ("runtime/default", {"type": "RuntimeDefault"}),
        ("unconfined", {"type": "Unconfined"}),
        ("localhost/p", {"type": "Localhost", "localhostProfile": "p"}),
        ("odd", None),
    ],
)
def test_annotations_of_app_armor_become_fields(annotation: str, profile: Any) -> None:
    container: dict[str, Any] = {"name": "c"}
    pod = {"metadata": {"annotations": {KEY: annotation}}, "spec": {"containers": [container]}}
    change = Change(pod)
    app_armor_fields(change)
    assert (container.get("securityContext") or {}).get("appArmorProfile") == profile
    assert change.warnings == [
        (
            f'metadata.annotations[{KEY}]: deprecated since v1.30; use the "appArmorProfile" '
            "field instead"
        )
    ]
