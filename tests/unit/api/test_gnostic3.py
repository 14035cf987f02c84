"""The protobuf form of OpenAPI v3."""

from __future__ import annotations

import struct
from typing import Any

from roost.api.openapi import gnostic3
from roost.api.openapi.documents import Documents
from roost.api.protobuf.wire import read_size, read_varint
from roost.api.registry import builtin


def fields(data: bytes) -> dict[int, Any]:
    """Return the fields of a message; those that come more than once are lists."""
    found: dict[int, Any] = {}
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        number, wire_type = key >> 3, key & 7
        value: Any
        if wire_type == 0:
            value, at = read_varint(data, at)
        elif wire_type == 1:
            (value,) = struct.unpack_from("<d", data, at)
            at += 8
        else:
            start, at = read_size(data, at, len(data))
            value = data[start:at]
        if number in found:
            before = found[number]
            found[number] = [*(before if isinstance(before, list) else [before]), value]
        else:
            found[number] = value
    return found


def named(data: Any) -> dict[str, bytes]:
    """Return pairs of a key and a value as a mapping."""
    pairs = [fields(one) for one in (data if isinstance(data, list) else [data])]
    return {pair[1].decode(): pair[2] for pair in pairs}


def schema(either: bytes) -> dict[int, Any]:
    """Return the fields of the schema in a schema or reference."""
    return fields(fields(either)[1])


def test_a_schema() -> None:
    whole = {
        "type": "object", "description": "d", "required": ["a", "b"], "nullable": True,
        "maximum": 1.5, "maxLength": 7, "enum": ["x", 1], "default": {},
        "properties": {"r": {"$ref": "#/x"}, "l": {"type": "array", "items": {"type": "string"}}},
        "additionalProperties": {"allOf": [{"$ref": "#/y"}], "default": "z"},
        "x-kubernetes-list-type": "map",
    }  # fmt: skip
    data = gnostic3.document({"components": {"schemas": {"a.B": whole}}})
    found = schema(named(fields(fields(fields(data)[5])[1])[1])["a.B"])
    assert (found[25], found[34], found[23], found[1]) == (b"object", b"d", [b"a", b"b"], 1)
    assert (found[11], found[15], found[33]) == (1.5, 7, b"")
    assert [fields(one)[2] for one in found[24]] == [b'"x"', b"1"]
    parts = named(fields(found[31])[1])
    assert fields(fields(parts["r"])[2]) == {1: b"#/x"}
    assert schema(fields(schema(parts["l"])[30])[1]) == {25: b"string"}
    extra = schema(fields(found[32])[1])
    assert fields(fields(extra[26])[2]) == {1: b"#/y"}
    assert fields(extra[33]) == {3: b"z"}
    assert fields(named(found[36])["x-kubernetes-list-type"]) == {2: b'"map"'}


def test_paths() -> None:
    operation = {
        "tags": ["t"], "operationId": "o", "x-kubernetes-action": "get",
        "requestBody": {"content": {"*/*": {"schema": {"$ref": "#/x"}}}, "required": True},
        "responses": {"200": {"description": "OK", "content": {"*/*": {"schema": {"$ref": "#/x"}}}}},
    }  # fmt: skip
    parameter = {"name": "n", "in": "query", "schema": {"type": "string", "uniqueItems": True}}
    data = gnostic3.document(
        {
            "openapi": "3.0.0",
            "info": {"title": "T", "version": "v"},
            "paths": {"/a": {"get": operation, "parameters": [parameter]}},
        }
    )
    found = fields(data)
    assert (found[1], fields(found[2])) == (b"3.0.0", {1: b"T", 6: b"v"})
    item = fields(named(fields(found[4])[1])["/a"])
    assert schema(fields(fields(item[13])[1])[10]) == {25: b"string", 20: 1}
    get = fields(item[4])
    assert (get[1], get[5]) == (b"t", b"o")
    body = fields(fields(get[7])[1])
    assert body[3] == 1
    for content in (body[2], fields(fields(named(fields(get[8])[2])["200"])[1])[3]):
        media = fields(named(fields(content)[1])["*/*"])
        assert fields(fields(media[1])[2]) == {1: b"#/x"}
    assert fields(named(get[13])["x-kubernetes-action"]) == {2: b'"get"'}


def test_documents_have_both_forms_under_one_hash() -> None:
    documents = Documents(builtin(), "v1.36.2")
    plain, other = documents.v3("apis/batch/v1"), documents.v3_protobuf("apis/batch/v1")
    assert plain is not None
    assert other is not None
    assert plain.hash == other.hash
    schemas = named(fields(fields(fields(other.body)[5])[1])[1])
    assert "io.k8s.api.batch.v1.Job" in schemas
    assert documents.v3_protobuf("apis/no/v1") is None
