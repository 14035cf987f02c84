"""What two objects differ in, and what a configuration sets."""

import pytest

from roost.api.patches.typed import changes, field_set, with_named_fields, without_fields
from roost.api.schema.node import Node
from roost.api.schema.nodes import node

META = {"name": "g", "uid": "u", "labels": {"a": "1"}}
LIVE = {
    "metadata": META,
    "spec": {
        "replicas": 1,
        "selector": {"a": "b"},
        "parts": [{"name": "x", "image": "1"}, {"name": "y"}],
        "args": ["1"],
    },
}


def with_spec(**changed: object) -> dict[str, object]:
    return {**LIVE, "spec": {**LIVE["spec"], **changed}}


def test_what_was_not_there_comes_with_all_it_holds(gadget: Node) -> None:
    claimed, removed = changes(gadget, {}, LIVE)
    assert not removed
    assert claimed.tree == {
        "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
        "f:spec": {
            ".": {},
            "f:replicas": {},
            "f:selector": {},
            "f:parts": {
                ".": {},
                'k:{"name":"x"}': {".": {}, "f:name": {}, "f:image": {}},
                'k:{"name":"y"}': {".": {}, "f:name": {}},
            },
            "f:args": {},
        },
    }


def test_no_change_is_no_change(gadget: Node) -> None:
    claimed, removed = changes(gadget, LIVE, with_spec())
    assert not claimed
    assert not removed


def test_order_of_keyed_items_does_not_count(gadget: Node) -> None:
    claimed, removed = changes(gadget, LIVE, with_spec(parts=LIVE["spec"]["parts"][::-1]))
    assert not claimed
    assert not removed


def test_changes_below_a_keyed_item(gadget: Node) -> None:
    claimed, removed = changes(gadget, LIVE, with_spec(parts=[{"name": "x", "image": "2"}]))
    assert claimed.tree == {"f:spec": {"f:parts": {'k:{"name":"x"}': {"f:image": {}}}}}
    assert removed.tree == {"f:spec": {"f:parts": {'k:{"name":"y"}': {".": {}, "f:name": {}}}}}


def test_atomic_lists_and_maps_change_as_one(gadget: Node) -> None:
    claimed, removed = changes(gadget, LIVE, with_spec(args=["2"], selector={"c": "d"}))
    assert claimed.tree == {"f:spec": {"f:args": {}, "f:selector": {}}}
    assert not removed


def test_items_without_a_key_are_known_by_its_default(gadget: Node) -> None:
    tree = field_set(gadget, {"spec": {"ports": [{"port": 80}]}}).tree
    assert tree == {
        "f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}}}
    }


def test_a_configuration_owns_leaves_map_entries_and_items(gadget: Node) -> None:
    config = {
        "metadata": {"labels": {"a": "1"}, "finalizers": ["f"]},
        "spec": {"parts": [{"name": "x", "env": {}}], "selector": {"a": "b"}, "paused": None},
    }
    assert field_set(gadget, config).tree == {
        "f:metadata": {"f:labels": {"f:a": {}}, "f:finalizers": {'v:"f"': {}}},
        "f:spec": {
            "f:parts": {'k:{"name":"x"}': {".": {}, "f:name": {}, "f:env": {}}},
            "f:selector": {},
            "f:paused": {},
        },
    }


def test_removal_takes_members_and_what_becomes_empty(gadget: Node) -> None:
    tree = {"f:spec": {"f:parts": {'k:{"name":"y"}': {}}, "f:selector": {}}}
    assert without_fields(gadget, LIVE, tree)["spec"] == {
        "replicas": 1,
        "parts": [{"name": "x", "image": "1"}],
        "args": ["1"],
    }
    assert (
        "labels"
        not in without_fields(gadget, LIVE, {"f:metadata": {"f:labels": {"f:a": {}}}})["metadata"]
    )


def test_declared_fields_on_the_way_become_members(gadget: Node) -> None:
    tree = with_named_fields(gadget, {"f:metadata": {"f:labels": {"f:a": {}}}})
    assert tree == {"f:metadata": {".": {}, "f:labels": {".": {}, "f:a": {}}}}


def test_structs_of_built_in_kinds_are_always_there() -> None:
    pod = {"spec": {"containers": [{"name": "c"}], "volumes": [{"name": "v"}]}}
    claimed, _ = changes(node("io.k8s.api.core.v1.Pod"), {}, pod)
    assert claimed.tree["f:spec"] == {
        "f:containers": {'k:{"name":"c"}': {".": {}, "f:name": {}}},
        "f:volumes": {".": {}, 'k:{"name":"v"}': {".": {}, "f:name": {}}},
    }


def test_the_fields_of_a_new_object_stand_as_it_has_them() -> None:
    event = {
        "message": "m", "series": {"count": 2, "state": {}}, "source": {"host": "h"}, "count": 1,
        "reportingComponent": "", "type": "Normal",
    }  # fmt: skip
    claimed, _ = changes(node("io.k8s.api.core.v1.Event"), {}, event)
    assert list(claimed.tree) == ["f:message", "f:series", "f:source", "f:count", "f:type"]
    assert claimed.tree["f:source"] == {"f:host": {}}


def test_raw_objects_in_built_in_kinds_are_leaves() -> None:
    claimed, _ = changes(
        node("io.k8s.api.apps.v1.ControllerRevision"), {}, {"data": {"a": 1}, "revision": 0}
    )
    assert claimed.tree == {"f:data": {}}


@pytest.mark.parametrize(
    ("definition", "value", "owned"),
    [
        (
            "apps.v1.Deployment",
            {
                "selector": {"matchLabels": {"a": "b"}},
                "strategy": {"type": "Recreate"},
                "template": {
                    "metadata": {"labels": {"a": "b"}},
                    "spec": {"containers": [{"name": "c", "resources": {}}]},
                },
            },
            {
                "f:selector": {},
                "f:strategy": {"f:type": {}},
                "f:template": {
                    "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
                    "f:spec": {
                        "f:containers": {
                            'k:{"name":"c"}': {".": {}, "f:name": {}, "f:resources": {}}
                        }
                    },
                },
            },
        ),
        (
            "core.v1.PersistentVolumeClaim",
            {"resources": {"requests": {"storage": "1Gi"}}, "accessModes": ["ReadWriteOnce"]},
            {
                "f:accessModes": {},
                "f:resources": {"f:requests": {".": {}, "f:storage": {}}},
            },
        ),
        (
            "core.v1.Service",
            {"ports": [{"port": 53, "protocol": "UDP"}], "selector": {"a": "b"}},
            {
                "f:ports": {
                    ".": {},
                    'k:{"port":53,"protocol":"UDP"}': {".": {}, "f:port": {}, "f:protocol": {}},
                },
                "f:selector": {},
            },
        ),
    ],
)
def test_what_a_new_object_s_writer_owns(
    definition: str, value: dict[str, object], owned: dict[str, object]
) -> None:
    claimed, _ = changes(node(f"io.k8s.api.{definition}"), {}, {"spec": value})
    assert claimed.tree == {"f:spec": owned}


def test_a_struct_that_is_not_written_is_there_all_the_same() -> None:
    deployment = node("io.k8s.api.apps.v1.Deployment")
    claimed, _ = changes(deployment, {"spec": {}}, {"spec": {}, "status": {"replicas": 1}})
    assert claimed.tree == {"f:status": {"f:replicas": {}}}
    _, removed = changes(deployment, {"spec": {}, "status": {"replicas": 1}}, {"spec": {}})
    assert removed.tree == {"f:status": {"f:replicas": {}}}
