"""The protobuf form of OpenAPI v2: what Go clients read of it."""

from __future__ import annotations

from roost.api.openapi import gnostic
from roost.api.protobuf.wire import read_size, read_varint


def fields(data: bytes) -> list[tuple[int, bytes | int]]:
    """Return the fields of a message."""
    found: list[tuple[int, bytes | int]] = []
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            value, at = read_varint(data, at)
            found.append((key >> 3, value))
        else:
            start, at = read_size(data, at, len(data))
            found.append((key >> 3, data[start:at]))
    return found


def test_a_document_has_its_definitions():
    data = gnostic.document({
        "swagger": "2.0",
        "info": {"title": "T", "version": "v1"},
        "paths": {"/api": {}},
        "definitions": {
            "a.B": {
                "type": "object",
                "description": "d",
                "required": ["x"],
                "properties": {"x": {"type": "array", "items": {"$ref": "#/definitions/c"}}},
                "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "B"}],
            },
            "open": {"additionalProperties": {"type": "string"}},
        },
    })  # fmt: skip
    top = dict(fields(data))
    assert top[1] == b"2.0"
    assert fields(top[2]) == [(1, b"T"), (2, b"v1")]
    named = [dict(fields(content)) for _, content in fields(top[9])]
    assert [one[1] for one in named] == [b"a.B", b"open"]
    schema = dict(fields(named[0][2]))
    assert fields(schema[22]) == [(1, b"object")]
    assert (schema[4], schema[19]) == (b"d", b"x")
    ((_, named_property),) = fields(schema[25])
    inner = dict(fields(dict(fields(named_property))[2]))
    assert fields(fields(inner[23])[0][1]) == [(1, b"#/definitions/c")]
    extension = dict(fields(schema[31]))
    assert extension[1] == b"x-kubernetes-group-version-kind"
    assert fields(extension[2]) == [(2, b'[{"group":"","version":"v1","kind":"B"}]')]
    ((_, additional),) = fields(dict(fields(named[1][2]))[21])
    assert fields(additional) == [(22, b"\n\x06string")]
