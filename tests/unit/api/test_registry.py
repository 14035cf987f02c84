import dataclasses

import pytest

from roost.api.kind import Kind, Resource
from roost.api.registry import Registry, builtin, version_rank
from roost.api.schema import document
from roost.api.schema.nodes import node

BUILTIN = list(builtin().kinds())


def a_kind(group: str = "example.com", version: str = "v1", plural: str = "gadgets") -> Kind:
    return Kind(group, version, "Gadget", plural, namespaced=True, schema="com.example.v1.Gadget")


@pytest.mark.parametrize("kind", BUILTIN, ids=lambda k: f"{k.api_version}/{k.plural}")
def test_every_builtin_kind_has_a_schema_that_names_it(kind):
    assert kind.schema in document.names()
    named = node(kind.schema).resolve().rules["x-kubernetes-group-version-kind"]
    assert {"group": kind.group, "version": kind.version, "kind": kind.name} in named


@pytest.mark.parametrize("kind", BUILTIN, ids=lambda k: f"{k.api_version}/{k.plural}")
def test_every_selectable_field_reads_an_empty_object_as_text(kind):
    assert all(isinstance(read({}), str) for read in kind.fields.values())


def test_a_kind_is_found_by_its_address_and_by_its_name():
    registry = builtin()
    pods = registry.find("", "v1", "pods")
    assert pods is not None
    assert pods is registry.by_name("", "v1", "Pod")
    assert registry.find("", "v1", "gadgets") is None
    assert registry.by_name("apps", "v1", "Pod") is None


def test_groups_are_in_the_order_of_the_aggregation_layer_and_custom_ones_last_by_name():
    registry = builtin()
    registry.add([a_kind("z.example.com"), a_kind("a.example.com")])
    groups = registry.groups()
    assert groups[:4] == ["", "apiregistration.k8s.io", "apps", "events.k8s.io"]
    assert groups[-3:] == ["flowcontrol.apiserver.k8s.io", "a.example.com", "z.example.com"]


def test_versions_are_ordered_from_the_most_stable_to_the_least():
    names = ["foo9", "v1alpha1", "v2", "v1", "v10", "v1beta2", "v1beta1", "foo10"]
    ordered = ["v10", "v2", "v1", "v1beta2", "v1beta1", "v1alpha1", "foo10", "foo9"]
    assert sorted(names, key=version_rank) == ordered


def test_the_preferred_version_is_the_first_that_has_the_resource():
    registry = builtin()
    assert registry.versions("autoscaling") == ["v2", "v1"]
    preferred = registry.preferred("autoscaling", "horizontalpodautoscalers")
    assert preferred is not None
    assert preferred.version == "v2"
    assert registry.preferred("autoscaling", "gadgets") is None


def test_kinds_that_share_storage_say_how_they_become_the_stored_kind():
    registry = builtin()
    for kind in registry.kinds():
        stored = registry.storage_kind(kind)
        assert (stored is not kind) == (kind.convert is not None)
        assert registry.storage_kind(stored) is stored


def test_add_and_remove_change_the_revision_and_what_is_found():
    registry = Registry()
    before = registry.revision
    registry.add([a_kind()])
    assert registry.revision > before
    assert registry.by_name("example.com", "v1", "Gadget") is not None
    added = registry.revision
    registry.remove([Resource("example.com", "v1", "gadgets")])
    assert registry.revision > added
    assert list(registry.kinds()) == []
    assert registry.by_name("example.com", "v1", "Gadget") is None


def test_a_kind_added_at_the_same_address_takes_the_others_place():
    registry = Registry([a_kind()])
    registry.add([dataclasses.replace(a_kind(), name="Widget")])
    assert registry.by_name("example.com", "v1", "Gadget") is None
    assert [kind.name for kind in registry.kinds()] == ["Widget"]


def test_registries_do_not_share_what_is_added():
    builtin().add([a_kind()])
    assert builtin().find("example.com", "v1", "gadgets") is None


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        ({"spec": {}}, 0),
        ({"spec": {"nodeName": "n", "terminationGracePeriodSeconds": 7}}, 7),
        ({"spec": {"nodeName": "n", "terminationGracePeriodSeconds": -5}}, 1),
        ({"spec": {"nodeName": "n"}, "status": {"phase": "Succeeded"}}, 0),
        ({"spec": {"nodeName": "n"}}, 30),
    ],
)
def test_only_a_pod_that_a_node_runs_is_deleted_gracefully(pod, expected):
    kind = builtin().find("", "v1", "pods")
    assert kind is not None
    assert kind.grace_period_s is not None
    assert kind.grace_period_s(pod) == expected


def test_selectable_fields_read_what_the_server_compares():
    registry = builtin()
    pods, events = registry.find("", "v1", "pods"), registry.find("", "v1", "events")
    assert pods is not None
    assert events is not None
    pod = {"spec": {"nodeName": "n", "hostNetwork": True}, "status": {"phase": "Running"}}
    assert pods.fields["spec.host"](pod) == "n"
    assert pods.fields["spec.hostNetwork"](pod) == "true"
    assert pods.fields["spec.hostNetwork"]({}) == "false"
    assert events.fields["source"]({"reportingComponent": "me"}) == "me"
    assert events.fields["source"]({"source": {"component": "it"}}) == "it"
