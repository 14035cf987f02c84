"""Rules of metadata."""

from collections.abc import Callable
from typing import Any

import pytest

Refused = Callable[..., list[str]]
IMMUTABLE = "field is immutable"


def meta(**values: Any) -> dict[str, Any]:
    return {"metadata": values}


def test_a_name_is_required(refused: Refused) -> None:
    assert refused("", "ConfigMap", meta(name="")) == [
        "metadata.name: Required value: name or generateName is required"
    ]


def test_names_follow_the_rule_of_the_kind(refused: Refused) -> None:
    assert refused("", "ConfigMap", meta(name="a.b")) == []
    assert "must not contain dots" in refused("", "Namespace", meta(name="a.b"))[0]
    assert refused("rbac.authorization.k8s.io", "Role", meta(name="a:B")) == []


def test_labels_and_annotations(refused: Refused) -> None:
    causes = refused("", "ConfigMap", meta(labels={"a b": "c d"}, annotations={"/x": ""}))
    assert [cause.partition(":")[0] for cause in causes] == [
        "metadata.labels",
        "metadata.labels",
        "metadata.annotations",
    ]


def test_owners_are_complete_and_one_of_them_controls(refused: Refused) -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    assert refused("", "ConfigMap", meta(ownerReferences=[owner])) == []
    causes = refused("", "ConfigMap", meta(ownerReferences=[{**owner, "uid": "", "kind": ""}]))
    assert causes == [
        'metadata.ownerReferences.kind: Invalid value: "": must not be empty',
        'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
    ]
    both = [{**owner, "controller": True}, {**owner, "name": "q", "controller": True}]
    (cause,) = refused("", "ConfigMap", meta(ownerReferences=both))
    assert cause.endswith('Found "true" in references for Pod/p and Pod/q')


def test_finalizers_are_qualified(refused: Refused) -> None:
    assert refused("", "ConfigMap", meta(finalizers=["example.com/x"])) == []
    (cause,) = refused("", "ConfigMap", meta(finalizers=["x"]))
    assert cause.startswith('metadata.finalizers[0]: Invalid value: "x": name is neither')


@pytest.mark.parametrize("field", ["uid", "name"])
def test_identity_cannot_change(refused: Refused, field: str) -> None:
    causes = refused("", "ConfigMap", meta(**{field: "other"}), {})
    assert set(causes) == {f'metadata.{field}: Invalid value: "other": {IMMUTABLE}'}


def test_an_update_names_a_version(refused: Refused) -> None:
    causes = refused("", "ConfigMap", meta(resourceVersion=""), {})
    assert 'metadata.resourceVersion: Invalid value: "": must be specified for an update' in causes


def test_managers_can_be_printed_and_subresources_are_short(refused: Refused) -> None:
    entry = {"manager": "a\tb", "operation": "Update", "subresource": "s" * 257}
    assert refused("", "ConfigMap", meta(managedFields=[entry])) == [
        (
            'metadata.managedFields[0].manager: Invalid value: "a\\tb": '
            "invalid character U+0009 (at position 1)"
        ),
        "metadata.managedFields[0].subresource: Too long: may not be more than 256 bytes",
    ]
