"""Server-side apply."""

import json
from typing import Any

import pytest

from roost.api.errors import BadRequest, Conflict
from roost.api.patches.apply import LAST_APPLIED, apply_configuration
from roost.api.patches.managed import track_update
from roost.api.schema.node import Node
from roost.api.schema.nodes import node
from roost.api.values import Object, copy_of

NOW = "2026-01-01T00:00:00Z"


def config(**fields: Any) -> Object:
    return {"apiVersion": "v1", "kind": "Gadget", "metadata": {"name": "g"}, **fields}


def apply(
    gadget: Node, live: Object | None, body: Object, manager: str = "a", **more: Any
) -> Object:
    more = {"force": False, "now": NOW, **more}
    before = copy_of([live, body])
    out = apply_configuration(gadget, live, body, manager=manager, api_version="v1", **more)
    assert [live, body] == before
    out = copy_of(out)
    out["metadata"]["uid"] = "u"
    return out


def owners(value: Object) -> dict[str, Any]:
    return {e["manager"]: e["fieldsV1"] for e in value["metadata"].get("managedFields", ())}


def parts(*items: Any) -> Object:
    return config(spec={"parts": list(items)})


def test_the_applier_owns_what_it_sets(gadget: Node) -> None:
    out = apply(gadget, None, config(spec={"replicas": 1, "args": ["x"]}))
    assert out["spec"] == {"replicas": 1, "args": ["x"]}
    assert out["metadata"]["managedFields"] == [
        {
            "manager": "a",
            "operation": "Apply",
            "apiVersion": "v1",
            "time": NOW,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:replicas": {}, "f:args": {}}},
        }
    ]


def test_what_is_no_longer_applied_is_removed(gadget: Node) -> None:
    live = apply(gadget, None, config(spec={"replicas": 1, "paused": True}))
    assert apply(gadget, live, config(spec={"replicas": 1}))["spec"] == {"replicas": 1}
    assert "spec" not in apply(gadget, live, config())


def test_what_somebody_else_owns_too_stays(gadget: Node) -> None:
    live = apply(gadget, None, config(spec={"replicas": 1}))
    live = apply(gadget, live, config(spec={"replicas": 1, "paused": True}), "b")
    out = apply(gadget, live, config())
    assert out["spec"] == {"replicas": 1, "paused": True}
    assert list(owners(out)) == ["b"]


def test_what_nobody_owned_stays_beside_what_is_owned(gadget: Node) -> None:
    live = apply(gadget, None, config(spec={"replicas": 1, "paused": True}))
    live["spec"]["parts"] = [{"name": "by nobody"}]
    out = apply(gadget, live, config(spec={"paused": True}))
    assert out["spec"] == {"paused": True, "parts": [{"name": "by nobody"}]}


def test_a_conflict_names_manager_and_field(gadget: Node) -> None:
    live = apply(gadget, None, config(spec={"replicas": 1}))
    with pytest.raises(Conflict) as caught:
        apply(gadget, live, config(spec={"replicas": 2}), "b")
    assert caught.value.message == (
        'Apply failed with 1 conflict: conflict with "a": .spec.replicas'
    )
    assert caught.value.details == {
        "causes": [
            {
                "reason": "FieldManagerConflict",
                "message": 'conflict with "a"',
                "field": ".spec.replicas",
            }
        ]
    }


def test_conflicts_with_updates_name_the_version(gadget: Node) -> None:
    live = config(spec={"replicas": 1, "parts": [{"name": "p", "image": "1"}]})
    track_update(gadget, None, live, manager="kubectl", api_version="v1", now=NOW)
    body = config(spec={"replicas": 2, "parts": [{"name": "p", "image": "2"}]})
    with pytest.raises(Conflict) as caught:
        apply(gadget, live, body)
    assert caught.value.message == (
        'Apply failed with 2 conflicts: conflicts with "kubectl" using v1:\n'
        '- .spec.replicas\n- .spec.parts[name="p"].image'
    )


def test_force_takes_the_field(gadget: Node) -> None:
    live = apply(gadget, None, config(spec={"replicas": 1}))
    out = apply(gadget, live, config(spec={"replicas": 2}), "b", force=True)
    assert out["spec"] == {"replicas": 2}
    assert owners(out) == {"b": {"f:spec": {"f:replicas": {}}}}


def test_the_same_value_is_shared_and_does_not_move_time(gadget: Node) -> None:
    live = apply(gadget, None, config(spec={"replicas": 1}))
    out = apply(gadget, live, config(spec={"replicas": 1}), "b", now="2027-01-01T00:00:00Z")
    times = {e["manager"]: e.get("time") for e in out["metadata"]["managedFields"]}
    assert times == {"a": NOW, "b": None}
    again = apply(gadget, live, config(spec={"replicas": 1}), now="2027-01-01T00:00:00Z")
    assert again == live


def test_items_merge_by_key_in_the_applier_s_order(gadget: Node) -> None:
    live = apply(gadget, None, parts({"name": "a", "image": "1"}, {"name": "b"}))
    out = apply(gadget, live, parts({"name": "c"}, {"name": "a", "size": 2}), "b")
    assert out["spec"]["parts"] == [
        {"name": "c"},
        {"name": "a", "image": "1", "size": 2},
        {"name": "b"},
    ]
    gone = apply(gadget, out, parts({"name": "a", "image": "1"}))
    assert [p["name"] for p in gone["spec"]["parts"]] == ["c", "a"]


def test_sets_merge_by_value(gadget: Node) -> None:
    live = apply(gadget, None, config(metadata={"name": "g", "finalizers": ["x"]}))
    out = apply(gadget, live, config(metadata={"name": "g", "finalizers": ["y"]}), "b")
    assert out["metadata"]["finalizers"] == ["x", "y"]
    assert apply(gadget, out, config())["metadata"]["finalizers"] == ["y"]


def test_atomic_fields_are_taken_whole(gadget: Node) -> None:
    live = apply(gadget, None, config(spec={"selector": {"a": "b"}, "args": ["1"]}))
    with pytest.raises(Conflict, match=r"2 conflicts.*\n- .spec.args\n- .spec.selector"):
        apply(gadget, live, config(spec={"selector": {"c": "d"}, "args": ["2"]}), "b")


def test_conflicts_come_in_the_order_of_what_managers_are_known_by(gadget: Node) -> None:
    live = apply(gadget, None, config(spec={"replicas": 1}), "a")
    live = apply(gadget, live, config(spec={"paused": True}), "a b")
    with pytest.raises(
        Conflict, match=r'conflicts with "a b":\n- .spec.paused\nconflicts with "a"'
    ):
        apply(gadget, live, config(spec={"replicas": 2, "paused": False}), "c")


def test_the_first_apply_conflicts_with_what_was_untracked(gadget: Node) -> None:
    live = config(spec={"replicas": 1})
    with pytest.raises(Conflict, match='conflict with "before-first-apply" using v1'):
        apply(gadget, live, config(spec={"replicas": 2}))
    out = apply(gadget, live, config(spec={"replicas": 1}))
    assert set(owners(out)) == {"a", "before-first-apply"}


def test_status_is_not_owned_through_the_object(gadget: Node) -> None:
    out = apply(gadget, None, config(spec={"replicas": 1}, status={"phase": "x"}))
    assert owners(out) == {"a": {"f:spec": {"f:replicas": {}}}}


def test_a_configuration_that_owns_nothing_leaves_no_entry(gadget: Node) -> None:
    assert "managedFields" not in apply(gadget, None, config())["metadata"]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (config(spec={"nope": 1}), ".spec.nope: field not declared in schema"),
        (
            config(spec={"replicas": "x"}),
            ".spec.replicas: expected numeric (int or float), got string",
        ),
        (
            config(metadata={"name": "g", "labels": {"a": 5}}),
            ".metadata.labels.a: expected string, got &value.valueUnstructured{Value:5}",
        ),
        (
            parts({"name": "p"}, {"name": "p"}),
            '.spec.parts: duplicate entries for key [name="p"]',
        ),
        (
            parts({"image": "x"}),
            (
                ".spec.parts: element 0: associative list with keys has an element that omits "
                'key field "name" (and doesn\'t have default value)'
            ),
        ),
        (
            config(spec={"replicas": "x", "paused": 1}),
            (
                "errors:\n  .spec.replicas: expected numeric (int or float), got string\n"
                "  .spec.paused: expected boolean, got &{1}"
            ),
        ),
    ],
)
def test_configurations_that_do_not_fit(gadget: Node, body: Object, complaint: str) -> None:
    with pytest.raises(BadRequest) as caught:
        apply(gadget, None, body)
    assert caught.value.message == (
        f"failed to create typed patch object (/g; /v1, Kind=Gadget): {complaint}"
    )


def test_ownership_cannot_be_applied(gadget: Node) -> None:
    with pytest.raises(BadRequest, match=r"metadata\.managedFields must be nil"):
        apply(gadget, None, config(metadata={"name": "g", "managedFields": []}))
    with pytest.raises(BadRequest, match="invalid object type: /v2, Kind=Gadget"):
        apply(gadget, None, {**config(), "apiVersion": "v2"})
    with pytest.raises(BadRequest, match="invalid object type: /, Kind="):
        apply(gadget, None, {})
    with pytest.raises(BadRequest, match="invalid object type: /v1, Kind=Gadget"):
        apply(gadget, None, config(), kind="Widget")
    with pytest.raises(BadRequest, match=r"invalid object type: /, Kind=$"):
        apply(gadget, None, {**config(), "apiVersion": "a/b/c"})


def applied_by_client(gadget: Node) -> Object:
    body = config(spec={"replicas": 1, "paused": True})
    annotations = {LAST_APPLIED: json.dumps(body)}
    live = {**body, "metadata": {"name": "g", "annotations": annotations}}
    track_update(gadget, None, live, manager="kubectl-client-side-apply", api_version="v1", now=NOW)
    return live


def test_kubectl_may_go_on_from_client_side_apply(gadget: Node) -> None:
    live = applied_by_client(gadget)
    body = config(spec={"replicas": 2, "paused": True})
    out = apply(gadget, live, body, "kubectl")
    assert out["spec"] == {"replicas": 2, "paused": True}
    assert json.loads(out["metadata"]["annotations"][LAST_APPLIED]) == body
    with pytest.raises(Conflict):
        apply(gadget, live, body, "helm")


def test_but_not_over_what_changed_since(gadget: Node) -> None:
    live = applied_by_client(gadget)
    scaled = {**live, "spec": {**live["spec"], "replicas": 7}}
    track_update(gadget, live, scaled, manager="scaler", api_version="v1", now=NOW)
    with pytest.raises(Conflict, match=r'conflict with "scaler" using v1: \.spec\.replicas'):
        apply(gadget, scaled, config(spec={"replicas": 2}), "kubectl")


def test_ports_of_a_service_are_known_by_port_and_protocol() -> None:
    service = node("io.k8s.api.core.v1.Service")
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"ports": [{"port": 80}]},
    }
    live = apply(service, None, body)
    assert owners(live)["a"] == {
        "f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}}}
    }
    udp = {**body, "spec": {"ports": [{"port": 80, "protocol": "UDP"}]}}
    assert len(apply(service, live, udp, "b")["spec"]["ports"]) == 2
