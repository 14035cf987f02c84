"""The build hook: what the package made of the schemas is taken back."""

import importlib.util
import json
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("build_schemas", ROOT / "build_schemas.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_restore_takes_back_nulls_enums_and_references(program):
    processed = {
        "type": ["object", "null"],
        "properties": {
            "kind": {"type": ["string", "null"], "enum": ["Pod"]},
            "enum": {"type": ["array", "null"], "items": {"$ref": "#/$defs/a.B"}},
            "$ref": {"type": "string"},
        },
        "required": ["kind"],
    }
    assert program.restore(processed) == {
        "type": "object",
        "properties": {
            "kind": {"type": "string"},
            "enum": {"type": "array", "items": {"$ref": "#/definitions/a.B"}},
            "$ref": {"type": "string"},
        },
        "required": ["kind"],
    }


def test_the_file_is_structure_then_descriptions(program):
    source = json.dumps(
        {"$defs": {"a.B": {"description": "b", "properties": {"c": {"description": "d"}}}}}
    ).encode()
    contents = program.encode(source)
    first = zlib.decompressobj()
    structure = json.loads(first.decompress(contents))
    descriptions = json.loads(zlib.decompress(first.unused_data))
    assert structure["a.B"] == {"properties": {"c": {}}}
    assert descriptions["a.B"] == {"": "b", "c": "d"}
    assert program.encode(source) == contents


@pytest.mark.slow
def test_building_twice_writes_once(program, tmp_path):
    (tmp_path / program.TARGET).parent.mkdir(parents=True)
    target = program.build(tmp_path)
    written = target.stat().st_mtime_ns
    assert program.build(tmp_path).stat().st_mtime_ns == written
    target.unlink()
    assert program.build(tmp_path).exists()
