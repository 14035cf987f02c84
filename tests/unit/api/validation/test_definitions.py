"""Rules of definitions of custom resources."""

from collections.abc import Callable
from typing import Any

from roost.api.kind import Change
from roost.api.validation.definitions import DEFINITION

Refused = Callable[..., list[str]]
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def definition(*versions: dict[str, Any], **spec: Any) -> dict[str, Any]:
    each = [
        {"served": True, "storage": not at, "schema": {"openAPIV3Schema": OPEN}, **version}
        for at, version in enumerate(versions or ({"name": "v1"},))
    ]
    names = {"plural": "as", "singular": "a", "kind": "A", "listKind": "AList"}
    return {
        "metadata": {"name": "as.e.com"},
        "spec": {"group": "e.com", "scope": "Cluster", "names": names, "versions": each, **spec},
    }


def causes(refused: Refused, body: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    return refused("apiextensions.k8s.io", "CustomResourceDefinition", body, old)


def test_warnings_of_versions(refused: Refused) -> None:
    body = definition(
        {"name": "v1", "deprecationWarning": "x"},
        {"name": "v2", "deprecated": True, "deprecationWarning": ""},
        {"name": "v3", "deprecated": True, "deprecationWarning": "é\n"},
    )
    assert causes(refused, body) == [
        (
            'spec.versions[0].deprecationWarning: Invalid value: "x": '
            "can only be set for deprecated versions"
        ),
        'spec.versions[1].deprecationWarning: Invalid value: "": must not be an empty string',
        (
            'spec.versions[2].deprecationWarning: Invalid value: "é\\n": must only contain '
            "printable UTF-8 characters; non-printable character found at index 2"
        ),
    ]


def test_conversion(refused: Refused) -> None:
    hook = {
        "clientConfig": {"url": "https://e.com"},
        "conversionReviewVersions": ["v2", "v2", "V"],
    }
    body = definition(conversion={"strategy": "Webhook", "webhook": hook})
    found = causes(refused, body)
    path = "spec.conversion.conversionReviewVersions"
    assert found[0] == f'{path}[1]: Invalid value: "v2": duplicate version'
    assert found[1].startswith(f'{path}[2]: Invalid value: "V": a DNS-1035 label must')
    assert found[2] == (
        f'{path}: Invalid value: ["v2","v2","V"]: must include at least one of v1, v1beta1'
    )


def test_what_never_changes() -> None:
    old = definition()
    old["metadata"]["resourceVersion"] = "1"
    old["status"] = {
        "storedVersions": ["v1"],
        "conditions": [{"type": "Established", "status": "True"}],
    }
    new = {**definition(scope="Namespaced"), "metadata": old["metadata"], "status": old["status"]}
    new["spec"]["names"] = {"plural": "bs", "singular": "b", "kind": "B", "listKind": "BList"}
    change = Change(new, old)
    assert [f"{cause.field}: {cause.message}" for cause in DEFINITION(change)] == [
        'spec.scope: Invalid value: "Namespaced": field is immutable',
        'spec.names.kind: Invalid value: "B": field is immutable',
        'spec.names.plural: Invalid value: "bs": field is immutable',
    ]


def test_a_version_with_objects_stays(refused: Refused) -> None:
    old = definition()
    new = definition({"name": "v2"})
    new["status"] = old["status"] = {"storedVersions": ["v1"]}
    assert causes(refused, new, old) == [
        (
            'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was '
            "previously a storage version, and must remain in spec.versions until a storage migration "
            "ensures no data remains persisted in v1 and removes v1 from status.storedVersions"
        )
    ]


def test_paths_of_scale(refused: Refused) -> None:
    scale = {
        "specReplicasPath": "spec.x",
        "statusReplicasPath": ".status.x",
        "labelSelectorPath": ".x",
    }
    body = definition({"name": "v1", "subresources": {"scale": scale}})
    assert causes(refused, body) == [
        (
            'spec.subresources.scale.specReplicasPath: Invalid value: "spec.x": '
            "must be a simple json path starting with ."
        ),
        (
            'spec.subresources.scale.labelSelectorPath: Invalid value: ".x": '
            "should be a json path under either .spec or .status"
        ),
    ]


def test_what_objects_that_keep_everything_cannot_have(refused: Refused) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "default": "x"}}}
    hook = {"clientConfig": {"url": "https://e.com"}, "conversionReviewVersions": ["v1"]}
    body = definition(
        {"name": "v1", "schema": {"openAPIV3Schema": schema}},
        preserveUnknownFields=True,
        conversion={"strategy": "Webhook", "webhook": hook},
    )
    path = "spec.preserveUnknownFields: Invalid value: true:"
    assert causes(refused, body) == [
        f"{path} must be false in order to use defaults in the schema",
        (
            'spec.conversion.strategy: Invalid value: "Webhook": '
            "must be None if spec.preserveUnknownFields is true"
        ),
        (
            f"{path} cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
            "spec.versions[*].schema instead"
        ),
    ]


def test_an_approval_that_stays_what_it_is_is_not_judged(refused: Refused) -> None:
    body = definition(group="a.k8s.io")
    body["metadata"] = {"name": "as.a.k8s.io", "annotations": {"api-approved.kubernetes.io": "no"}}
    assert 'with either a URL or a reason starting with "unapproved"' in causes(refused, body)[0]
    assert causes(refused, body, body) == []


def test_formats_that_nobody_knows_are_warned_about() -> None:
    properties = {
        "a": {"type": "string", "format": "colour"},
        "b": {"type": "integer", "format": "int32"},
        "c": {"type": "array", "format": "cidr", "items": {"type": "string", "format": "cidr"}},
        "d": {"type": "string", "format": "date-time"},
    }
    schema = {"type": "object", "properties": properties}
    body = definition({"name": "v1", "schema": {"openAPIV3Schema": schema}})
    body["status"] = {"storedVersions": ["v1"]}
    change = Change(body)
    assert DEFINITION(change) == []
    assert change.warnings == ['unrecognized format "colour"', 'unrecognized format "cidr"']
    again = Change(body, old=body)
    DEFINITION(again)
    assert again.warnings == []


def test_names_that_were_accepted_are_names() -> None:
    body = definition()
    body["metadata"]["resourceVersion"] = "1"
    body["status"] = {"acceptedNames": {"plural": "A_"}}
    [found] = DEFINITION(Change(body, old=body, subresource="status"))
    assert found.field == "status.acceptedNames.plural"


def test_bundles_of_what_is_established(refused: Refused) -> None:
    hook = {
        "clientConfig": {"url": "https://e.com", "caBundle": "eA=="},
        "conversionReviewVersions": ["v1"],
    }
    old = definition()
    new = definition(conversion={"strategy": "Webhook", "webhook": hook})
    assert causes(refused, new) == causes(refused, new, old) == []
    old["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
    new["status"] = {"storedVersions": ["v1"]}
    change = Change(new, old=old)
    old["metadata"]["resourceVersion"] = new["metadata"]["resourceVersion"] = "1"
    assert [f"{cause.field}: {cause.message}" for cause in DEFINITION(change)] == [
        (
            'spec.conversion.webhookClientConfig.caBundle: Invalid value: "eA==": unable to load '
            "root certificates: data does not contain any valid RSA or ECDSA certificates"
        )
    ]
    assert DEFINITION(Change(new, old={**new, "status": old["status"]})) == []
