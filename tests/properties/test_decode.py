"""Decoding: what has been decoded is a fixed point, and nothing unknown survives it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roost.api.schema.decode import decode
from roost.api.schema.node import Node
from roost.api.schema.nodes import node
from roost.api.schema.structural import default_object, prune_object
from roost.api.values import copy_of

DEFINITIONS = (
    "io.k8s.api.core.v1.Pod",
    "io.k8s.api.core.v1.Service",
    "io.k8s.api.core.v1.Secret",
    "io.k8s.api.apps.v1.Deployment",
    "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
    "io.k8s.api.coordination.v1.Lease",
    "io.k8s.api.networking.v1.Ingress",
    "io.k8s.api.rbac.v1.ClusterRole",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
)
UNKNOWN = "unknownField"
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=3,
)
SCALARS = {
    "string": st.text(max_size=4),
    "boolean": st.booleans(),
    "integer": st.integers(-3, 2**31 - 1),
    "number": st.floats(-9, 9),
}


def value_of(draw, schema: Node, depth: int):
    """Draw a value that a client could send for a node: nulls and unknown fields included."""
    schema.resolve()
    if draw(st.integers(0, 11)) == 0:
        return None
    if schema.quantity:
        return draw(st.sampled_from(["1", "500m", "1000m", "1Gi", "1024Mi", "0.5", 0, 2, 1.5]))
    if schema.int_or_string:
        return draw(st.integers(0, 9) | st.text(max_size=2))
    if schema.time:
        micros = ".000120" if schema.name.endswith("MicroTime") else ""
        return f"2024-03-01T10:00:00{micros}{draw(st.sampled_from(['Z', '+02:00']))}"
    if schema.format == "byte":
        return draw(st.sampled_from(["", "YQ==", "YW\nJj"]))
    if schema.name.endswith("JSONSchemaPropsOrStringArray"):
        return draw(st.lists(st.text(max_size=2), max_size=2))
    if "JSONSchemaPropsOr" in schema.name:
        return None
    if schema.open:
        return draw(ANYTHING)
    if schema.type == "array":
        assert schema.items is not None
        count = draw(st.integers(0, 2)) if depth else 0
        return [value_of(draw, schema.items, depth - 1) for _ in range(count)]
    if schema.type == "object":
        return object_of(draw, schema, depth)
    return draw(SCALARS[schema.type])


def object_of(draw, schema: Node, depth: int):
    if schema.values is not None:
        names = draw(st.lists(st.text(max_size=2), max_size=2, unique=True)) if depth else []
        return {name: value_of(draw, schema.values, depth - 1) for name in names}
    names = sorted(schema.fields) if depth > 0 else []
    chosen = draw(st.lists(st.sampled_from(names), max_size=4, unique=True)) if names else []
    made = {name: value_of(draw, schema.fields[name], depth - 1) for name in chosen}
    if draw(st.integers(0, 5)) == 0:
        made[UNKNOWN] = draw(ANYTHING)
    return made


@st.composite
def sent(draw):
    schema = node(draw(st.sampled_from(DEFINITIONS))).resolve()
    return schema, object_of(draw, schema, 7)


def strangers(schema: Node, value, path=""):
    """Yield the paths of fields in a value that its schema does not know."""
    schema.resolve()
    if schema.open or "JSONSchemaPropsOr" in schema.name:
        return
    if isinstance(value, list) and schema.items is not None:
        for index, item in enumerate(value):
            yield from strangers(schema.items, item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for name, item in value.items():
            field = schema.values or schema.fields.get(name)
            if field is None:
                yield f"{path}.{name}"
            else:
                yield from strangers(field, item, f"{path}.{name}")


FEW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.slow
@FEW
@given(sent())
def test_decoding_is_idempotent_and_leaves_its_input_alone(case):
    schema, value = case
    before = copy_of(value)
    once, _ = decode(schema, value)
    assert value == before
    assert decode(schema, once) == (once, [])


@pytest.mark.slow
@FEW
@given(sent())
def test_no_unknown_field_survives_and_each_is_told(case):
    schema, value = case
    decoded, complaints = decode(schema, value)
    assert list(strangers(schema, decoded)) == []
    told = {complaint.removeprefix('unknown field "').rstrip('"') for complaint in complaints}
    assert told == {path.removeprefix(".") for path in strangers(schema, value)}


@pytest.mark.slow
@FEW
@given(sent())
def test_structural_pruning_and_defaulting_are_idempotent(case):
    schema, value = case
    once, _ = prune_object(schema, value)
    assert prune_object(schema, once) == (once, [])
    default_object(schema, once)
    again = copy_of(once)
    default_object(schema, again)
    assert again == once
