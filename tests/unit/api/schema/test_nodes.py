import subprocess
import sys

import pytest

from roost.api.schema import document
from roost.api.schema.node import Node
from roost.api.schema.nodes import node

CORE = "io.k8s.api.core.v1."
META = "io.k8s.apimachinery.pkg.apis.meta.v1."


def at(definition: str, *path: str) -> Node:
    found = node(definition).resolve()
    for step in path:
        if step == "[]":
            assert found.items is not None
            found = found.items.resolve()
        elif step == "*":
            assert found.values is not None
            found = found.values.resolve()
        else:
            found = found.fields[step].resolve()
    return found


def test_a_definition_has_one_node_shared_by_all_that_refer_to_it():
    assert node(f"{CORE}Pod") is node(f"{CORE}Pod")
    in_pod = node(f"{CORE}Pod").resolve().fields["spec"]
    assert in_pod is at(f"{CORE}PodTemplateSpec").fields["spec"]


LAZY = """
from roost.api.schema.nodes import node
lonely = node("io.k8s.api.storage.v1.VolumeAttributesClassList")
assert lonely.link is not None
assert not lonely.fields
assert lonely.resolve().fields
assert lonely.link is None
"""


def test_nothing_is_linked_before_somebody_looks():
    """In a process of its own: nodes are shared, and other tests may have looked already."""
    subprocess.run([sys.executable, "-c", LAZY], check=True, timeout=30)


def test_lists_say_how_they_merge():
    containers = at(f"{CORE}PodSpec", "containers")
    assert (containers.list_type, containers.list_keys) == ("map", ("name",))
    assert (containers.merge_key, containers.merge_strategies) == ("name", ("merge",))
    assert at(f"{META}ObjectMeta", "finalizers").list_type == "set"
    assert at(f"{CORE}Container", "command").list_type == "atomic"
    volumes = at(f"{CORE}PodSpec", "volumes")
    assert volumes.merge_strategies == ("merge", "retainKeys")


def test_list_keys_have_their_defaults():
    ports = at(f"{CORE}Container", "ports")
    assert ports.list_keys == ("containerPort", "protocol")
    assert at(f"{CORE}Container", "ports", "[]", "protocol").default == "TCP"


def test_a_reference_that_says_more_is_the_definition_and_more():
    strategy = at("io.k8s.api.apps.v1.DeploymentSpec", "strategy")
    assert strategy.merge_strategies == ("retainKeys",)
    assert "rollingUpdate" in strategy.fields
    assert node("io.k8s.api.apps.v1.DeploymentStrategy").resolve().merge_strategies == ()


def test_objects_that_are_replaced_whole_are_atomic():
    assert at(f"{META}LabelSelector").atomic
    assert not at(f"{CORE}PodSpec").atomic
    assert not at(f"{CORE}PersistentVolumeSpec", "claimRef").atomic


def test_special_types_are_marked():
    assert at(f"{CORE}ResourceRequirements", "limits", "*").quantity
    assert at(f"{CORE}ServicePort", "targetPort").int_or_string
    assert at(f"{META}ObjectMeta", "creationTimestamp").time
    assert at("io.k8s.api.apps.v1.ControllerRevision", "data").open
    assert at(f"{CORE}Secret", "data", "*").format == "byte"
    assert at(f"{CORE}Container", "ports", "[]", "containerPort").format == "int32"


def test_definitions_may_refer_to_themselves():
    schema = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
    assert at(schema, "properties", "*") is node(schema)
    assert at(schema, "properties", "*", "not", "not") is node(schema)


def test_an_unknown_definition_is_a_key_error():
    with pytest.raises(KeyError):
        node("io.k8s.api.core.v1.Gadget").resolve()


def test_every_definition_links():
    for name in document.names():
        assert node(name).resolve().name == name


def test_descriptions_are_apart_from_the_structure():
    pod = document.definition(f"{CORE}Pod")
    assert "description" not in pod
    assert "description" not in pod["properties"]["spec"]
    texts = document.descriptions()[f"{CORE}Pod"]
    assert texts[""]
    assert texts["spec"]
