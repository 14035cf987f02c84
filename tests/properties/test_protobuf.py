"""Protobuf: what is written is read as the same object, and no bytes do harm."""

from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roost.api.protobuf import objects
from roost.api.protobuf.wire import Malformed
from roost.api.schema import document
from roost.api.schema.decode import decode
from roost.api.schema.node import Node
from roost.api.schema.nodes import node

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
JSON = st.recursive(
    st.booleans() | st.integers(-9, 9) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=3,
)
SCALARS = {
    "string": TEXT,
    "boolean": st.booleans(),
    "number": st.floats(-9, 9) | st.integers(-(2**40), 2**40),
}
INTEGERS = {"int32": st.integers(-(2**31), 2**31 - 1), "int64": st.integers(-(2**63), 2**63 - 1)}
SPECIAL = {
    "JSONSchemaPropsOrBool": st.booleans(),
    "JSONSchemaPropsOrArray": st.just([{"type": "a"}]) | st.just({"title": "b"}),
    "JSONSchemaPropsOrStringArray": st.lists(TEXT, min_size=1, max_size=2),
}


@cache
def kinds() -> list[tuple[str, str, str]]:
    """Return (definition, apiVersion, kind) of all that have a protobuf form."""
    found = []
    for name in document.names():
        for named in document.definition(name).get("x-kubernetes-group-version-kind", ())[:1]:
            api_version = f"{named['group']}/{named['version']}".lstrip("/")
            if "kind" in node(name).resolve().fields and objects.knows(api_version, named["kind"]):
                found.append((name, api_version, named["kind"]))
    return found


def value_of(draw, schema: Node, depth: int):
    schema.resolve()
    special = SPECIAL.get(schema.name.rpartition(".")[2])
    if special is not None:
        return draw(special)
    if schema.quantity:
        return draw(st.sampled_from(["0", "1", "500m", "1Gi", "12e6"]))
    if schema.int_or_string:
        return draw(INTEGERS["int32"] | TEXT)
    if schema.time:
        micros = f".{draw(st.integers(0, 999999)):06d}" if schema.name.endswith("MicroTime") else ""
        year = draw(st.integers(1, 9999))
        return f"{year:04d}-03-01T10:00:07{micros}Z"
    if schema.format == "byte":
        return draw(st.sampled_from(["", "YQ==", "AAECAwT/"]))
    if schema.open:
        return draw(JSON)
    if schema.type == "array":
        count = draw(st.integers(0, 2)) if depth else 0
        return [value_of(draw, schema.items, depth - 1) for _ in range(count)]
    if schema.type == "integer":
        return draw(INTEGERS.get(schema.format, INTEGERS["int64"]))
    return object_of(draw, schema, depth) if schema.type == "object" else draw(SCALARS[schema.type])


def object_of(draw, schema: Node, depth: int):
    if schema.values is not None:
        keys = draw(st.lists(TEXT, max_size=2, unique=True)) if depth else []
        return {key: value_of(draw, schema.values, depth - 1) for key in keys}
    if not depth or not schema.fields:
        return {}
    names = draw(st.lists(st.sampled_from(sorted(schema.fields)), max_size=9, unique=True))
    plain = [name for name in names if name not in {"kind", "apiVersion"}]
    return {name: value_of(draw, schema.fields[name], depth - 1) for name in plain}


def written(schema: Node | None, value):
    """Drop empty lists and maps: Go's cannot be told from none. Structures stay."""
    if schema is not None:
        schema.resolve()
    if isinstance(value, list):
        return [written(schema and schema.items, item) for item in value]
    if not isinstance(value, dict) or schema is None:
        return value
    kept = {}
    for key, item in value.items():
        inner = schema.values or schema.fields.get(key)
        is_map = inner is not None and inner.resolve().values is not None
        if item != [] and not (item == {} and is_map):
            kept[key] = written(inner, item)
    return kept


@st.composite
def typed_objects(draw):
    definition, api_version, kind = draw(st.sampled_from(kinds()))
    schema = node(definition).resolve()
    drawn = {**object_of(draw, schema, 7), "apiVersion": api_version, "kind": kind}
    return definition, decode(schema, drawn)[0]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(typed_objects())
def test_objects_survive_protobuf(made):
    definition, value = made
    api_version, kind, found = objects.decode(objects.encode(value))
    assert (api_version, kind) == (value["apiVersion"], value["kind"])
    again, complaints = decode(node(definition), found)
    assert complaints == []
    assert written(node(definition), again) == written(node(definition), value)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(typed_objects(), st.data())
def test_broken_messages_are_malformed_or_read(made, data):
    raw = bytearray(objects.encode(made[1]))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(4, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(5, len(raw)))
    try:
        found = objects.decode(bytes(raw[:cut]))[2]
    except Malformed:
        return
    assert isinstance(found, dict)


@given(st.binary(max_size=200))
def test_any_bytes_are_malformed_or_read(raw):
    try:
        found = objects.decode(b"k8s\x00" + raw)[2]
    except Malformed:
        return
    assert "kind" in found


@pytest.mark.parametrize("kind", ["Pod", "Node", "Service"])
def test_generated_kinds_cover_the_core(kind):
    assert any(named == kind for _, _, named in kinds())
