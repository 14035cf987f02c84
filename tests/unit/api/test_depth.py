"""Text that is nested too deep is refused before anything is decoded, where that must be."""

from __future__ import annotations

import json

import msgspec
import pytest

from roost.api.depth import bounded, depth_of, guarded


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        (b"", 0),
        (b"1", 0),
        (b"[]", 1),
        (b'{"a":[1,{"b":[]}],"c":[[]]}', 4),
        (b'["[[[[","\\"[[", "\\\\",[1]]', 2),
        (b'{"{":{"}":"]"}}', 2),
        (b'["never closed [[[[', 1),
        (b"]]]][", 0),
        ("['ä', [\"ö[\"]]".encode(), 2),
    ],
)
def test_depth(text: bytes, depth: int):
    assert max(depth_of(text), 0) == depth


def nested(levels: int) -> bytes:
    return b'{"a":[' * (levels // 2) + b"]}" * (levels // 2)


@pytest.mark.parametrize("decode", [json.loads, msgspec.json.decode])
def test_what_is_deeper_than_allowed_is_not_decoded(decode):
    careful = bounded(decode, levels=10)
    assert careful(nested(10)) == decode(nested(10))
    assert careful(nested(10).decode()) == decode(nested(10))
    for text in (nested(12), nested(12).decode(), b"[" * 100_000):
        with pytest.raises(RecursionError):
            careful(text)


def test_width_is_not_depth():
    wide = b"[" + b"[]," * 5000 + b'"[[[["]'
    assert bounded(json.loads, levels=2)(wide) == json.loads(wide)


def test_a_decoder_keeps_its_options():
    pairs = bounded(json.loads)('{"a":1}', object_pairs_hook=list)
    assert pairs == [("a", 1)]


@pytest.mark.parametrize("decode", [json.loads, msgspec.json.decode])
def test_everywhere_depth_is_an_error_and_no_end(decode):
    with pytest.raises(RecursionError):
        guarded(decode)(b"[" * 1_000_000 + b"]" * 1_000_000)
