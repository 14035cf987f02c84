"""Webhooks: who is asked, what is sent, what their answers do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fakes.admission import ADMISSION, MAPS, Webhooks, allow, patch, rule
from roost.apiserver.admission.registered import Registered
from roost.apiserver.attributes import User

PODS = "/api/v1/namespaces/n/pods"
NAME = "a.example.com"


def cond(text: str) -> dict:
    return {"name": "n", "expression": text}


def deny(_question: dict) -> dict:
    return {"allowed": False}


def labelled(_question: dict) -> dict:
    return patch({"op": "add", "path": "/metadata/labels", "value": {"by": "hook"}})


def test_question_tells_who_does_what(play):
    async def scene(site):
        await site.hook(NAME, allow)
        user = User("jane", ("devs",), "7", {"scopes": ("a",)})
        await site.ask("POST", f"{MAPS}?fieldManager=me&dryRun=All", cm("c"), user)
        (_, question), *_ = site.webhooks.asked
        object_ = question.pop("object")
        assert (object_["kind"], object_["metadata"]["name"]) == ("ConfigMap", "c")
        question.pop("uid")
        kind = {"group": "", "version": "v1", "kind": "ConfigMap"}
        resource = {"group": "", "version": "v1", "resource": "configmaps"}
        info = {"username": "jane", "groups": ["devs"], "uid": "7", "extra": {"scopes": ["a"]}}
        assert question == {
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "operation": "CREATE",
            "name": "c",
            "namespace": "n",
            "userInfo": info,
            "dryRun": True,
            "options": {
                "kind": "CreateOptions",
                "apiVersion": "meta.k8s.io/v1",
                "fieldManager": "me",
                "dryRun": ["All"],
            },
            "oldObject": None,
        }

    play(scene)


def cm(name: str, **fields: Any) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **fields}


@pytest.mark.parametrize(
    ("status", "code", "reason", "message"),
    [
        (None, 400, None, "without explanation"),
        ({"message": "no"}, 400, None, ": no"),
        ({"reason": "Forbidden"}, 400, "Forbidden", ": Forbidden"),
        ({"message": "no", "code": 403, "reason": "Forbidden"}, 403, "Forbidden", ": no"),
        ({"message": "no", "code": 200, "status": "Success"}, 400, None, ": no"),
        ({"message": "tea", "code": 418}, 418, None, ": tea"),
    ],
)
def test_denial_has_code_reason_and_message_of_the_webhook(play, status, code, reason, message):
    async def scene(site):
        await site.hook(NAME, lambda _: {"allowed": False, "status": status})
        got, answer = await site.create()
        assert (got, answer.get("reason")) == (code, reason)
        text = f'admission webhook "{NAME}" denied the request'
        assert answer["message"] == text + (message if message[0] == ":" else f" {message}")

    play(scene)


def test_patch_is_decoded_pruned_and_stored(play):
    async def scene(site):
        def change(_):
            return patch(
                {"op": "add", "path": "/data", "value": {"a": "1"}},
                {"op": "add", "path": "/nosuch", "value": 1},
            )

        await site.hook(NAME, change, mutating=True, rules=[rule("CREATE")])
        code, answer = await site.create()
        assert (code, answer["data"]) == (201, {"a": "1"})
        assert "nosuch" not in answer

    play(scene)


def test_patched_object_is_defaulted_and_validated(play):
    async def scene(site):
        def change(_):
            value = {"name": "side", "image": "i"}
            return patch({"op": "add", "path": "/spec/containers/-", "value": value})

        rules = [rule("CREATE", resources=("pods",))]
        await site.hook(NAME, change, mutating=True, rules=rules)
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
        pod["spec"] = {"containers": [{"name": "main", "image": "i"}]}
        code, answer = await site.ask("POST", PODS, pod)
        assert code == 201
        assert answer["spec"]["containers"][1]["terminationMessagePath"] == "/dev/termination-log"
        pod["spec"]["containers"][0]["name"] = "side"
        code, answer = await site.ask("POST", PODS, pod)
        assert code == 422
        assert "Duplicate value" in answer["message"]

    play(scene)


def test_webhook_may_not_lead_an_update_elsewhere(play):
    async def scene(site):
        await site.create()
        rename = patch({"op": "replace", "path": "/metadata/name", "value": "other"})
        await site.hook(NAME, lambda _: rename, mutating=True)
        code, answer = await site.ask("PUT", f"{MAPS}/c", cm("c", data={"a": "b"}))
        assert code == 422
        assert "metadata.name" in answer["message"]

    play(scene)


def test_delete_shows_the_old_object_and_cannot_be_patched(play):
    async def scene(site):
        await site.create()
        await site.hook(NAME, labelled, mutating=True)
        code, answer = await site.ask("DELETE", f"{MAPS}/c")
        assert code == 500
        assert "attempted to modify the object" in answer["message"]
        _, question = site.webhooks.asked[-1]
        assert question["object"] is None
        assert question["oldObject"]["metadata"]["name"] == "c"
        assert question["options"]["kind"] == "DeleteOptions"

    play(scene)


@pytest.mark.parametrize(
    ("response", "why"),
    [
        ({"uid": "other"}, 'expected response.uid="'),
        ({"patch": "W10="}, "validating webhook may not return response.patch"),
        ({"patchType": "JSONPatch"}, "validating webhook may not return response.patchType"),
    ],
)
def test_wrong_answer_fails_the_call(play, response, why):
    async def scene(site):
        await site.hook(NAME, lambda _: {"allowed": True, **response})
        code, answer = await site.create()
        assert code == 500
        text = f'failed calling webhook "{NAME}": received invalid webhook response: {why}'
        assert answer["message"].startswith(f"Internal error occurred: {text}")

    play(scene)


def test_failure_policy_ignore_lets_pass_what_cannot_be_asked(play):
    async def scene(site):
        await site.hook(NAME, allow, failurePolicy="Ignore")
        await site.hook("m.example.com", allow, mutating=True, failurePolicy="Ignore")
        site.webhooks.answers.clear()
        assert (await site.create())[0] == 201
        assert site.webhooks.calls() == ["m", "a"]

    play(scene)


def test_failure_policy_ignore_does_not_ignore_denials(play):
    async def scene(site):
        await site.hook(NAME, deny, failurePolicy="Ignore")
        assert (await site.create())[0] == 400

    play(scene)


def test_old_review_version_is_refused_by_name(play):
    async def scene(site):
        await site.hook(NAME, allow, admissionReviewVersions=["v1beta1"])
        code, answer = await site.create()
        assert code == 500
        assert "does not accept known AdmissionReview versions (v1)" in answer["message"]
        assert site.webhooks.asked == []

    play(scene)


def test_warnings_reach_the_asker_also_with_a_denial(play):
    async def scene(site):
        await site.hook(NAME, lambda _: {"allowed": False, "warnings": ["careful"]})
        await site.create()
        assert site.warnings == ["careful"]

    play(scene)


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ({"rules": [rule("CREATE")]}, True),
        ({"rules": [rule("UPDATE", "DELETE", "CONNECT")]}, False),
        ({"rules": [rule(resources=("*",))]}, True),
        ({"rules": [rule(resources=("*/*",))]}, True),
        ({"rules": [rule(resources=("configmaps/*",))]}, True),
        ({"rules": [rule(resources=("configmaps/status", "pods"))]}, False),
        ({"rules": [rule(apiGroups=["apps"])]}, False),
        ({"rules": [rule(apiGroups=["*"], apiVersions=["*"])]}, True),
        ({"rules": [rule(scope="Cluster")]}, False),
        ({"rules": [rule(scope="Namespaced")]}, True),
        ({"namespaceSelector": {"matchLabels": {"team": "x"}}}, True),
        ({"namespaceSelector": {"matchLabels": {"team": "y"}}}, False),
        ({"objectSelector": {"matchLabels": {"app": "a"}}}, True),
        ({"objectSelector": {"matchLabels": {"app": "b"}}}, False),
        ({"matchConditions": [cond("object.metadata.name == 'c'")]}, True),
        ({"matchConditions": [cond("request.userInfo.username == 'x'")]}, False),
        ({"matchConditions": [cond("authorizer.path('/x').check('get').allowed()")]}, True),
    ],
)
def test_who_is_asked(play, more, asked):
    async def scene(site):
        await site.hook(NAME, allow, **more)
        await site.create(metadata={"labels": {"app": "a"}})
        assert bool(site.webhooks.asked) is asked

    play(scene)


def test_condition_that_fails_forbids_or_is_ignored(play):
    async def scene(site):
        broken = [{"name": "n", "expression": "object.data.x == 'y'"}]
        await site.hook(NAME, allow, matchConditions=broken)
        code, answer = await site.create()
        assert code == 403
        text = "expression 'object.data.x == 'y'' resulted in error: no such key: data"
        assert answer["message"] == f'configmaps "c" is forbidden: {text}'
        assert (await site.ask("DELETE", f"{ADMISSION}/validatingwebhookconfigurations/{NAME}"))[
            0
        ] == 200
        await site.settle()
        await site.hook(NAME, deny, matchConditions=broken, failurePolicy="Ignore")
        assert (await site.create())[0] == 201

    play(scene)


def test_namespaces_are_selected_by_the_labels_they_will_have(play):
    async def scene(site):
        rules = [rule("CREATE", resources=("namespaces",))]
        selector = {"matchLabels": {"guarded": "yes"}}
        await site.hook(NAME, deny, rules=rules, namespaceSelector=selector)
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "m"}}
        body["metadata"]["labels"] = {"guarded": "yes"}
        assert (await site.ask("POST", "/api/v1/namespaces", body))[0] == 400
        assert site.webhooks.asked[0][1]["namespace"] == "m"
        body["metadata"]["labels"] = {}
        assert (await site.ask("POST", "/api/v1/namespaces", body))[0] == 201

    play(scene)


def test_another_version_of_the_resource_is_equivalent_unless_exact(play):
    async def scene(site):
        rules = [rule(resources=("horizontalpodautoscalers",), apiGroups=["autoscaling"])]
        await site.hook(NAME, allow, rules=rules)
        await site.hook("x.example.com", allow, rules=rules, matchPolicy="Exact")
        path = "/apis/autoscaling/v2/namespaces/n/horizontalpodautoscalers"
        target = {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}
        body = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
        body |= {"metadata": {"name": "h"}, "spec": {"scaleTargetRef": target, "maxReplicas": 3}}
        assert (await site.ask("POST", path, body))[0] == 201
        assert site.webhooks.calls() == ["a"]
        question = site.webhooks.asked[0][1]
        assert question["kind"]["version"] == "v1"
        assert question["requestKind"]["version"] == "v2"
        assert question["object"]["apiVersion"] == "autoscaling/v1"

    play(scene)


def test_patch_in_an_equivalent_version_comes_back(play):
    async def scene(site):
        rules = [rule(resources=("horizontalpodautoscalers",), apiGroups=["autoscaling"])]
        change = patch({"op": "add", "path": "/spec/targetCPUUtilizationPercentage", "value": 50})
        await site.hook(NAME, lambda _: change, rules=rules, mutating=True)
        path = "/apis/autoscaling/v2/namespaces/n/horizontalpodautoscalers"
        target = {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}
        body = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
        body |= {"metadata": {"name": "h"}, "spec": {"scaleTargetRef": target, "maxReplicas": 3}}
        code, answer = await site.ask("POST", path, body)
        assert (code, answer["apiVersion"]) == (201, "autoscaling/v2")
        assert answer["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 50

    play(scene)


def test_scale_is_shown_and_changed_as_a_scale(play):
    async def scene(site):
        path = "/apis/apps/v1/namespaces/n/deployments"
        pod = {"metadata": {"labels": {"a": "b"}}}
        pod["spec"] = {"containers": [{"name": "c", "image": "i"}]}
        spec = {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": pod}
        body = {"apiVersion": "apps/v1", "kind": "Deployment"}
        body |= {"metadata": {"name": "d"}, "spec": spec}
        assert (await site.ask("POST", path, body))[0] == 201
        more = patch({"op": "replace", "path": "/spec/replicas", "value": 5})
        rules = [rule(resources=("deployments/scale",), apiGroups=["apps"])]
        await site.hook(NAME, lambda _: more, rules=rules, mutating=True)
        code, answer = await site.ask(
            "PATCH", f"{path}/d/scale", {"spec": {"replicas": 2}},
            content_type="application/merge-patch+json",
        )  # fmt: skip
        assert (code, answer["spec"]["replicas"]) == (200, 5)
        question = site.webhooks.asked[0][1]
        assert question["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
        assert (question["oldObject"]["spec"], question["object"]["spec"]) == (
            {"replicas": 1},
            {"replicas": 2},
        )

    play(scene)


def test_connections_are_admitted(play):
    async def scene(site):
        rules = [rule("CONNECT", resources=("pods/exec", "services/proxy"))]
        await site.hook(NAME, deny, rules=rules)
        code, _ = await site.ask("POST", f"{PODS}/p/exec?command=ls&command=-l&stdout=1&tty=0")
        assert code == 400
        question = site.webhooks.asked[0][1]
        assert question["object"] == {
            "kind": "PodExecOptions", "apiVersion": "v1", "command": ["ls", "-l"], "stdout": True,
        }  # fmt: skip
        assert (question["operation"], question["subResource"]) == ("CONNECT", "exec")
        assert question["options"] is None
        services = "/api/v1/namespaces/n/services"
        assert (await site.ask("GET", f"{services}/http:s:80/proxy/a/b"))[0] == 400
        question = site.webhooks.asked[1][1]
        assert (question["name"], question["object"]["path"]) == ("http:s:80", "/a/b")
        assert (await site.ask("GET", f"{PODS}/p/log"))[0] == 404  # reading is not connecting

    play(scene)


def test_what_configures_admission_is_never_asked_about(play):
    async def scene(site):
        everything = [rule(resources=("*/*",), apiGroups=["*"], apiVersions=["*"])]
        await site.hook(NAME, deny, rules=everything)
        path = f"{ADMISSION}/validatingwebhookconfigurations/{NAME}"
        assert (await site.ask("DELETE", path))[0] == 200
        await site.settle()
        assert (await site.create())[0] == 201
        assert site.webhooks.asked == []

    play(scene)


def test_mutating_webhooks_are_called_by_name_and_see_each_other(play):
    async def scene(site):
        for name in ("c.example.com", "b.example.com"):
            await site.hook(name, labelled, mutating=True)
        await site.create()
        assert site.webhooks.calls() == ["b", "c"]
        assert site.webhooks.asked[1][1]["object"]["metadata"]["labels"] == {"by": "hook"}

    play(scene)


def test_webhook_that_wants_it_is_called_again_after_a_change(play):
    async def scene(site):
        await site.hook("a.example.com", allow, mutating=True, reinvocationPolicy="IfNeeded")
        await site.hook("b.example.com", labelled, mutating=True, reinvocationPolicy="IfNeeded")
        await site.hook("c.example.com", allow, mutating=True)
        await site.create()
        # b changed nothing after itself, so only a has something new to see.
        assert site.webhooks.calls() == ["a", "b", "c", "a"]

    play(scene)


def test_nobody_is_called_again_when_nothing_changed(play):
    async def scene(site):
        await site.hook("a.example.com", allow, mutating=True, reinvocationPolicy="IfNeeded")
        await site.create()
        assert site.webhooks.calls() == ["a"]

    play(scene)


def test_validating_webhooks_see_what_is_stored_and_first_refusal_counts(play):
    async def scene(site):
        await site.hook("m.example.com", labelled, mutating=True)
        await site.hook("y.example.com", lambda _: {"allowed": False, "status": {"message": "y"}})
        await site.hook("z.example.com", lambda _: {"allowed": False, "status": {"message": "z"}})
        _, answer = await site.create()
        assert answer["message"].endswith("denied the request: y")
        assert sorted(site.webhooks.calls()) == ["m", "y", "z"]
        assert site.webhooks.asked[1][1]["object"]["metadata"]["labels"] == {"by": "hook"}

    play(scene)


def test_change_of_a_configuration_acts_at_once(play):
    async def scene(site):
        await site.hook(NAME, deny)
        path = f"{ADMISSION}/validatingwebhookconfigurations/{NAME}"
        change = [{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["DELETE"]}]
        code, _ = await site.ask("PATCH", path, change, content_type="application/json-patch+json")
        assert code == 200
        await site.settle()
        assert (await site.create())[0] == 201

    play(scene)


def test_reviews_are_admitted_by_webhooks_but_hidden_from_policies(play):
    async def scene(site):
        rules = [rule(resources=("selfsubjectreviews",), apiGroups=["authentication.k8s.io"])]
        await site.hook(NAME, deny, rules=rules)
        constraints = {"resourceRules": rules}
        await site.policy("p", {"expression": "false"}, matchConstraints=constraints)
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        assert (await site.ask("POST", path, body))[0] == 400
        await site.ask("DELETE", f"{ADMISSION}/validatingwebhookconfigurations/{NAME}")
        await site.settle()
        assert (await site.ask("POST", path, body))[0] == 201

    play(scene)


def test_patched_custom_resource_is_pruned_and_defaulted(play):
    async def scene(site):
        fields = {
            "a": {"type": "integer"},
            "b": {"type": "string", "default": "x"},
        }
        schema = {
            "type": "object",
            "properties": {"spec": {"type": "object"} | {"properties": fields}},
        }
        version = {"name": "v1", "served": True, "storage": True}
        names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
        spec = {"group": "x.example", "scope": "Namespaced", "names": names}
        spec["versions"] = [{**version, "schema": {"openAPIV3Schema": schema}}]
        definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
        definition |= {"metadata": {"name": "things.x.example"}, "spec": spec}
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        assert (await site.ask("POST", path, definition))[0] == 201
        change = patch(
            {"op": "add", "path": "/spec", "value": {"a": 1, "nosuch": True}},
        )
        rules = [rule("CREATE", resources=("things",), apiGroups=["x.example"])]
        await site.hook(NAME, lambda _: change, mutating=True, rules=rules)
        body = {"apiVersion": "x.example/v1", "kind": "Thing", "metadata": {"name": "t"}}
        for _ in range(100):
            code, answer = await site.ask("POST", "/apis/x.example/v1/namespaces/n/things", body)
            if code != 404:
                break
            await site.settle()
        assert (code, answer.get("spec")) == (201, {"a": 1, "b": "x"})

    play(scene)


def test_server_may_write_what_it_needs_to_start(play):
    async def scene(site):
        server = User("system:apiserver", ("system:masters",))
        await site.hook(NAME, deny)
        assert (await site.ask("POST", MAPS, cm("a"), server))[0] == 201
        assert (await site.ask("POST", MAPS, cm("b")))[0] == 400
        site.registered.start()
        assert (await site.ask("POST", MAPS, cm("c"), server))[0] == 400

    play(scene)


def test_writes_wait_until_it_is_known_what_forbids_them():
    async def scene():
        around: Any = None
        registered = Registered(around, Webhooks())
        request: Any = None
        mutating, *_, validating = registered.plugins()
        waiting = [
            asyncio.create_task(mutating.admit(request, request)),
            asyncio.create_task(validating.validate(request, request)),
        ]
        done, _ = await asyncio.wait(waiting, timeout=0.01)
        assert not done
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)

    asyncio.run(scene())
