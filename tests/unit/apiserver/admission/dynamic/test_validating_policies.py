"""ValidatingAdmissionPolicies: what they see, what they say, what their failures do."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.admission import ADMISSION, MAPS, rule
from roost.apiserver.admission.policies.checks import error_type
from roost.apiserver.attributes import User


def valid(expression: str, **more: Any) -> dict:
    return {"expression": expression, **more}


def denied(why: str) -> str:
    return f"configmaps \"c\" is forbidden: ValidatingAdmissionPolicy 'p' {why}"


@pytest.mark.parametrize(
    ("validation", "code", "reason", "message"),
    [
        (valid("false"), 422, "Invalid", "failed expression: false"),
        (valid(" 1 > 2 "), 422, "Invalid", "failed expression: 1 > 2"),
        (valid("false", message=" no "), 422, "Invalid", "no"),
        (valid("false", messageExpression="'n' + 'o'"), 422, "Invalid", "no"),
        (valid("false", message="no", messageExpression="string(object.nope)"), 422, "Invalid", "no"),
        (valid("false", message="no", messageExpression="' '"), 422, "Invalid", "no"),
        (valid("false", message="no", messageExpression="'a\\nb'"), 422, "Invalid", "no"),
        (valid("false", reason="Forbidden"), 403, "Forbidden", "failed expression: false"),
        (
            valid("false", reason="RequestEntityTooLarge"), 413, "RequestEntityTooLarge",
            "failed expression: false",
        ),
        (
            valid("object.data.a == 'x'"), 422, "Invalid",
            "expression 'object.data.a == 'x'' resulted in error: no such key: data",
        ),
    ],
)  # fmt: skip
def test_refusal(play, validation, code, reason, message):
    async def scene(site):
        await site.policy("p", validation)
        got, answer = await site.create()
        assert (got, answer["reason"]) == (code, reason)
        text = f"ValidatingAdmissionPolicy 'p' with binding 'p-b' denied request: {message}"
        assert answer["message"] == f'configmaps "c" is forbidden: {text}'
        assert answer["details"] == {
            "name": "c", "kind": "configmaps", "causes": [{"message": text}],
        }  # fmt: skip

    play(scene)


@pytest.mark.parametrize(
    "expression",
    [
        "object.metadata.name == 'c' && oldObject == null",
        "request.operation == 'CREATE' && request.userInfo.username == 'admin'",
        "request.resource.resource == 'configmaps' && request.kind.kind == 'ConfigMap'",
        "namespaceObject.metadata.labels.team == 'x'",
        "authorizer.group('').resource('pods').namespace('n').check('get').allowed()",
        "authorizer.serviceAccount('n', 'a').path('/x').check('get').allowed()",
        "authorizer.requestResource.check('create').allowed()",
        "has(request.options.fieldManager) == false",
        "!has(object.data)",
    ],
)
def test_what_expressions_see(play, expression):
    async def scene(site):
        await site.policy("p", valid(expression))
        code, answer = await site.create()
        assert code == 201, answer

    play(scene)


def test_authorizer_answers_for_the_asker(play):
    async def scene(site):
        check = "authorizer.path('/x').check('get').allowed()"
        await site.policy("p", valid(f"!{check} || request.userInfo.username == 'admin'"))
        assert (await site.create())[0] == 201
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}}
        assert (await site.ask("POST", MAPS, body, User("jane")))[0] == 422

    play(scene)


def test_variables_are_lazy_and_build_on_each_other(play):
    async def scene(site):
        variables = [
            {"name": "broken", "expression": "object.nope.nope"},
            {"name": "size", "expression": "size(object.metadata.name)"},
            {"name": "twice", "expression": "variables.size * 2"},
        ]
        tell = valid("variables.twice == 4", messageExpression="string(variables.twice)")
        await site.policy("p", tell, variables=variables)
        assert (await site.create("ab"))[0] == 201
        _, answer = await site.create("c")
        assert answer["message"].endswith("denied request: 2")
        await site.policy("q", valid("variables.broken == 1"), variables=variables)
        _, answer = await site.create("ab")
        assert answer["message"].endswith(
            'resulted in error: composited variable "broken" fails to evaluate: no such key: nope'
        )

    play(scene)


def test_conditions_choose_requests(play):
    async def scene(site):
        conditions = [{"name": "n", "expression": "!object.metadata.name.startsWith('free')"}]
        await site.policy("p", valid("false"), matchConditions=conditions)
        assert (await site.create("free-one"))[0] == 201
        assert (await site.create())[0] == 422

    play(scene)


@pytest.mark.parametrize(("policy", "code"), [("Fail", 422), ("Ignore", 201)])
def test_failure_policy_is_for_errors(play, policy, code):
    async def scene(site):
        await site.policy("p", valid("object.nope == 1"), failurePolicy=policy)
        assert (await site.create())[0] == code

    play(scene)


def test_failure_policy_ignore_does_not_ignore_what_is_false(play):
    async def scene(site):
        await site.policy("p", valid("false"), failurePolicy="Ignore")
        assert (await site.create())[0] == 422

    play(scene)


def test_actions_warn_and_audit_let_pass(play):
    async def scene(site):
        await site.policy("p", valid("false"), binding={"validationActions": ["Warn", "Audit"]})
        assert (await site.create())[0] == 201
        policy = "ValidatingAdmissionPolicy 'p' with binding 'p-b'"
        assert site.warnings == [f"Validation failed for {policy}: failed expression: false"]

    play(scene)


def test_audit_annotation_that_fails_denies(play):
    async def scene(site):
        annotation = {"key": "k", "valueExpression": "string(object.nope)"}
        await site.policy("p", auditAnnotations=[annotation])
        code, answer = await site.create()
        assert code == 422
        assert "expression 'string(object.nope)' resulted in error" in answer["message"]

    play(scene)


def test_binding_narrows_where_a_policy_holds(play):
    async def scene(site):
        match = {"objectSelector": {"matchLabels": {"a": "b"}}}
        await site.policy("p", valid("false"), binding={"matchResources": match})
        assert (await site.create())[0] == 201
        assert (await site.create("d", metadata={"labels": {"a": "b"}}))[0] == 422

    play(scene)


@pytest.mark.parametrize(
    ("match", "code"),
    [
        ({"resourceRules": [rule(resourceNames=["c"])]}, 422),
        ({"resourceRules": [rule(resourceNames=["d"])]}, 201),
        ({"resourceRules": [rule()], "excludeResourceRules": [rule("CREATE")]}, 201),
        ({"resourceRules": [rule("UPDATE")]}, 201),
    ],
)
def test_match_constraints(play, match, code):
    async def scene(site):
        await site.policy("p", valid("false"), matchConstraints=match)
        assert (await site.create())[0] == code

    play(scene)


PARAMS = {"apiVersion": "v1", "kind": "ConfigMap"}


def reference(**more: Any) -> dict:
    return {"paramRef": {"parameterNotFoundAction": "Deny", **more}}


async def with_params(site: Any, binding: dict, **spec: Any) -> None:
    """Bind a policy for Secrets whose parameters are ConfigMaps."""
    await site.create("limit", metadata={"labels": {"for": "p"}}, data={"max": "2"})
    await site.policy(
        "p",
        valid("size(object.data) <= int(params.data.max)", messageExpression="string(params.kind)"),
        paramKind=PARAMS,
        matchConstraints={"resourceRules": [rule(resources=("secrets",))]},
        binding=binding,
        **spec,
    )


async def secret(site: Any, size: int) -> tuple[int, Any]:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c"}}
    body["stringData"] = {str(number): "x" for number in range(size)}
    return await site.ask("POST", "/api/v1/namespaces/n/secrets?dryRun=All", body)


@pytest.mark.parametrize(
    "ref",
    [
        reference(name="limit"),
        reference(name="limit", namespace="n"),
        reference(selector={"matchLabels": {"for": "p"}}),
        reference(selector={}),
    ],
)
def test_parameters(play, ref):
    async def scene(site):
        await with_params(site, ref)
        assert (await secret(site, 2))[0] == 201
        code, answer = await secret(site, 3)
        assert code == 422
        assert answer["message"].endswith("denied request: ConfigMap")
        change = {"data": {"max": "3"}}
        kind = "application/merge-patch+json"
        await site.ask("PATCH", f"{MAPS}/limit", change, content_type=kind)
        assert (await secret(site, 3))[0] == 201

    play(scene)


@pytest.mark.parametrize(
    ("action", "code", "why"),
    [
        ("Allow", 201, ""),
        (
            "Deny", 422,
            "no params found for policy binding with `Deny` parameterNotFoundAction",
        ),
    ],
)  # fmt: skip
def test_absent_parameters(play, action, code, why):
    async def scene(site):
        await with_params(site, reference(name="nope", parameterNotFoundAction=action))
        got, answer = await secret(site, 1)
        assert got == code
        assert why in answer.get("message", "")

    play(scene)


def test_unknown_kind_of_parameters(play):
    async def scene(site):
        unknown = {"apiVersion": "x.example/v1", "kind": "Limit"}
        await site.policy("p", valid("true"), paramKind=unknown, binding=reference(name="l"))
        code, answer = await site.create()
        assert code == 422
        assert answer["message"] == denied(
            "denied request: failed to configure policy: failed to find resource referenced by "
            "paramKind: 'x.example/v1, Kind=Limit'"
        )

    play(scene)


def test_expressions_cannot_cost_without_end(play):
    async def scene(site):
        numbers = "[0,1,2,3,4,5,6,7,8,9]"
        nested = "true"
        for depth in range(7):
            nested = f"{numbers}.all(i{depth}, {nested})"
        await site.policy("p", valid(nested))
        code, answer = await site.create()
        assert code == 422
        assert "cost" in answer["message"]

    play(scene)


def test_policies_are_not_asked_about_themselves(play):
    async def scene(site):
        everything = [rule(resources=("*/*",), apiGroups=["*"], apiVersions=["*"])]
        await site.policy("p", valid("false"), matchConstraints={"resourceRules": everything})
        path = f"{ADMISSION}/validatingadmissionpolicies/p"
        assert (await site.ask("DELETE", path))[0] == 200
        await site.settle()
        assert (await site.create())[0] == 201

    play(scene)


def test_unbound_policy_does_nothing(play):
    async def scene(site):
        await site.policy("p", valid("false"))
        path = f"{ADMISSION}/validatingadmissionpolicybindings/p-b"
        assert (await site.ask("DELETE", path))[0] == 200
        await site.settle()
        assert (await site.create())[0] == 201

    play(scene)


def test_checks_are_counted_by_what_came_of_them(play):
    async def scene(site):
        bad = valid("object.data.a == 'x'")
        binding = {"validationActions": ["Audit", "Warn"]}
        await site.policy("p", bad, valid("false"), binding=binding)
        await site.policy("q", bad, valid("true"), failurePolicy="Ignore")
        assert (await site.create())[0] == 201
        assert counted(site) == {
            ("p", "p-b", "invalid_error", "audit"): 2,
            ("p", "p-b", "invalid_error", "warn"): 2,
            ("q", "q-b", "invalid_error", "allow"): 1,
        }
        assert site.around.checks.evaluations.total() == 4

    play(scene)


def counted(site):
    families = {family.name: family for family in site.around.checks.families()}
    samples = families["apiserver_validating_admission_policy_check_total"].samples
    return dict(samples)


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        ("compilation error: x", "compile_error"),
        ("validation failed due to running out of cost budget, no more", "out_of_budget"),
        ("failed expression: false", "invalid_error"),
    ],
)
def test_sorts_of_errors(text, sort):
    assert error_type(text) == sort
