"""Rules of webhooks and admission policies."""

from collections.abc import Callable
from typing import Any

import pytest

from roost.api.kind import Change
from roost.api.validation.admissionpolicies import VALIDATING_POLICY

Refused = Callable[..., list[str]]
GROUP = "admissionregistration.k8s.io"


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("://", "missing protocol scheme"),
        ("https://e .com", 'invalid character " " in host name'),
        ("https://e.com:x/a", 'invalid port ":x" after host'),
        ("https://e.com/%zz", 'invalid URL escape "%zz"'),
        ("1a:b/c", "first path segment in URL cannot contain colon"),
    ],
)
def test_urls_that_go_does_not_read(refused: Refused, url: str, fault: str) -> None:
    hook = {
        "name": "a.e.com",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": url},
    }
    assert refused(GROUP, "ValidatingWebhookConfiguration", {"webhooks": [hook]}) == [
        (
            "webhooks[0].clientConfig.url: Required value: url must be a valid URL: "
            f'parse "{url}": {fault}; desired format: https://host[/path]'
        )
    ]


def test_good_urls(refused: Refused) -> None:
    for url in ("https://e.com", "https://[::1]:443/a?", "https://e.com:443/%20"):
        hook: dict[str, Any] = {"name": "a.e.com", "sideEffects": "None"}
        hook |= {"admissionReviewVersions": ["v1"], "clientConfig": {"url": url}}
        assert refused(GROUP, "ValidatingWebhookConfiguration", {"webhooks": [hook]}) == []


def test_words_of_cel_name_no_variable(refused: Refused) -> None:
    rules = [
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    ]
    spec = {
        "matchConstraints": {"resourceRules": rules},
        "variables": [{"name": "for", "expression": "1"}],
        "validations": [{"expression": "true"}],
    }
    assert refused(GROUP, "ValidatingAdmissionPolicy", {"spec": spec}) == [
        'spec.variables[0].name: Invalid value: "for": name is not a valid CEL identifier'
    ]


def _policy_of(**spec: Any) -> dict[str, Any]:
    rules = [
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    ]
    return {"spec": {"matchConstraints": {"resourceRules": rules}, **spec}}


def test_audit_annotations_are_named_by_policy_and_key(refused: Refused) -> None:
    audits = [{"key": "a b", "valueExpression": "'x'"}, {"key": "c", "valueExpression": "1" * 5121}]
    said = refused(GROUP, "ValidatingAdmissionPolicy", _policy_of(auditAnnotations=audits))
    assert said[0].startswith("spec.auditAnnotations[0].key: Invalid value: ")
    assert '/a b"' in said[0]
    assert said[1] == (
        "spec.auditAnnotations[1].valueExpression: Required value: "
        "must not exceed 5120 bytes in length"
    )


def test_an_empty_way_of_missing_parameters_is_no_way(refused: Refused) -> None:
    binding = {
        "policyName": "a",
        "validationActions": ["Deny"],
        "paramRef": {"name": "p", "parameterNotFoundAction": ""},
    }
    said = refused(GROUP, "ValidatingAdmissionPolicyBinding", {"spec": binding})
    assert said == ["spec.paramRef.parameterNotFoundAction: Required value"]


def _mutations(*mutations: dict[str, Any], operation: str = "CREATE") -> dict[str, Any]:
    made = _policy_of(reinvocationPolicy="Never", failurePolicy="Fail", mutations=list(mutations))
    made["spec"]["matchConstraints"]["resourceRules"][0]["operations"] = [operation]
    return made


def test_a_change_is_what_its_type_says_and_nothing_else(refused: Refused) -> None:
    both = {"applyConfiguration": {"expression": "Object{}"}, "jsonPatch": {"expression": " "}}
    said = refused(
        GROUP,
        "MutatingAdmissionPolicy",
        _mutations(
            {"patchType": "JSONPatch", **both},
            {"patchType": "ApplyConfiguration", **both},
            {"patchType": "JSONPatch"},
        ),
    )
    assert said == [
        "spec.mutations[0].jsonPatch.expression: Required value",
        (
            'spec.mutations[0].applyConfiguration: Invalid value: "{applyConfiguration}": '
            "must not be specified when patchType is JSONPatch"
        ),
        (
            'spec.mutations[1].jsonPatch: Invalid value: "{jsonPatch}": '
            "must not be specified when patchType is ApplyConfiguration"
        ),
        "spec.mutations[2].jsonPatch: Required value: must be specified when patchType is JSONPatch",
    ]


def test_what_is_deleted_cannot_be_changed(refused: Refused) -> None:
    change = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{}"}}
    made = _mutations(change, operation="DELETE")
    fault = 'Unsupported value: "DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"'
    assert refused(GROUP, "MutatingAdmissionPolicy", made) == [
        f"spec.matchConstraints.resourceRules.operations: {fault}"
    ]
    binding = {"policyName": "a", "matchResources": made["spec"]["matchConstraints"]}
    assert refused(GROUP, "MutatingAdmissionPolicyBinding", {"spec": binding}) == [
        f"spec.matchResources.resourceRules.operations: {fault}"
    ]


def test_the_status_of_a_policy_is_whole() -> None:
    meta = {"name": "x", "uid": "u", "resourceVersion": "1"}
    path = "status.typeChecking.expressionWarnings"
    warnings = [
        {},
        {"fieldRef": "spec[", "warning": "w"},
        {"fieldRef": "spec.a[0]", "warning": "w"},
    ]
    status = {"typeChecking": {"expressionWarnings": warnings}, "conditions": [{"type": "A"}]}
    new = {"metadata": meta, "status": status}
    change = Change(new, {"metadata": meta}, subresource="status")
    said = [f"{cause.field}: {cause.message}" for cause in VALIDATING_POLICY(change)]
    assert said[:3] == [
        f"{path}[0].warning: Required value",
        f"{path}[0].fieldRef: Required value",
        f'{path}[1].fieldRef: Invalid value: "spec[": invalid JSONPath: unterminated array',
    ]
    assert said[3].startswith('status.conditions[0].status: Unsupported value: ""')
