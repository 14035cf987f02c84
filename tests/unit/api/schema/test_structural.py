from roost.api.schema.node import Node
from roost.api.schema.strict import Pairs
from roost.api.schema.structural import default_object, prune_object


def text(**fields) -> Node:
    return Node(type="string", **fields)


def obj(**fields: Node) -> Node:
    return Node(type="object", fields=fields)


SPEC = obj(
    name=text(),
    tags=Node(type="array", items=obj(key=text())),
    labels=Node(type="object", values=text()),
    free=Node(type="object", open=True, fields={"known": obj(a=text())}),
    inner=Node(type="object", embedded=True),
)
SCHEMA = obj(spec=SPEC)


def test_unknown_fields_are_dropped_and_named():
    value = {
        "apiVersion": "example.com/v1",
        "kind": "Gadget",
        "metadata": {"name": "g"},
        "spec": {"name": "x", "bogus": 1, "tags": [{"key": "a", "odd": 1}], "labels": {"a": "b"}},
        "status": {},
    }
    pruned, complaints = prune_object(SCHEMA, value)
    assert pruned == {
        "apiVersion": "example.com/v1",
        "kind": "Gadget",
        "metadata": {"name": "g"},
        "spec": {"name": "x", "tags": [{"key": "a"}], "labels": {"a": "b"}},
    }
    assert complaints == [
        'unknown field "spec.bogus"',
        'unknown field "spec.tags[0].odd"',
        'unknown field "status"',
    ]
    assert "bogus" in value["spec"]


def test_what_is_preserved_stays_but_known_fields_inside_are_pruned():
    value = {"spec": {"free": {"x": {"y": None}, "known": {"a": "b", "c": 1}}}}
    pruned, complaints = prune_object(SCHEMA, value)
    assert pruned == {"spec": {"free": {"x": {"y": None}, "known": {"a": "b"}}}}
    assert complaints == ['unknown field "spec.free.known.c"']


def test_an_embedded_object_keeps_what_every_object_has():
    inner = {"apiVersion": "v1", "kind": "Pod", "metadata": {"x": 1}, "spec": {}}
    pruned, complaints = prune_object(SCHEMA, {"spec": {"inner": inner}})
    del inner["spec"]
    assert pruned == {"spec": {"inner": inner}}
    assert complaints == ['unknown field "spec.inner.spec"']


def test_values_of_a_wrong_type_are_left_to_validation():
    assert prune_object(SCHEMA, {"spec": "text"}) == ({"spec": "text"}, [])


def test_duplicates_are_told():
    value = {"spec": Pairs([("name", "a"), ("name", "b")])}
    assert prune_object(SCHEMA, value)[1] == ['duplicate field "spec.name"']


def test_defaults_fill_what_is_absent_at_every_level():
    schema = obj(
        a=text(default="A"),
        b=Node(type="object", default={}, fields={"c": text(default="C")}),
        items=Node(type="array", items=obj(d=text(default="D"))),
        map=Node(type="object", values=obj(e=text(default="E"))),
    )
    value = {"items": [{}, {"d": "x"}], "map": {"k": {}}}
    default_object(schema, value)
    assert value == {
        "a": "A",
        "b": {"c": "C"},
        "items": [{"d": "D"}, {"d": "x"}],
        "map": {"k": {"e": "E"}},
    }


def test_a_null_gets_the_default_unless_it_may_be_null():
    schema = obj(a=text(default="A"), b=text(default="B", nullable=True), c=text())
    value = {"a": None, "b": None, "c": None}
    default_object(schema, value)
    assert value == {"a": "A", "b": None}


def test_a_null_of_what_has_no_type_is_replaced_too():
    schema = obj(a=Node(int_or_string=True, default="50%"), b=Node(open=True), c=Node(open=True))
    value = {"a": None, "b": None, "c": {"free": None}}
    default_object(schema, value)
    assert value == {"a": "50%", "c": {"free": None}}


def test_defaults_are_not_shared():
    schema = obj(a=Node(type="object", default={"x": []}, open=True))
    one: dict = {}
    other: dict = {}
    default_object(schema, one)
    default_object(schema, other)
    one["a"]["x"].append(1)
    assert other == {"a": {"x": []}}
