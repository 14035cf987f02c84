"""The schema file: the definitions of Kubernetes v1.36, as `build_schemas.py` wrote them.

Structure is loaded once and kept as encoded slices, which are decoded when somebody asks for that
definition; descriptions are several times larger, wanted only by OpenAPI documents, and never kept.
"""

from __future__ import annotations

import zlib
from functools import cache
from importlib import resources
from typing import TypeAlias

import msgspec

from roost.api.values import Object

FILE = "v1.36.json.zz"
#: What the file calls a reference to a definition: this and the definition's name.
REFERENCE = "#/definitions/"
#: {definition: {field, or "" for the definition itself: text}}
Descriptions: TypeAlias = dict[str, dict[str, str]]

_structure = msgspec.json.Decoder(dict[str, msgspec.Raw])
_descriptions = msgspec.json.Decoder(dict[str, dict[str, str]])


def _read() -> bytes:
    try:
        return resources.files(__package__).joinpath(FILE).read_bytes()
    except FileNotFoundError:
        raise RuntimeError(
            f"{FILE} is missing from this installation; in a checkout, run `python build_schemas.py`"
        ) from None


@cache
def _definitions() -> dict[str, msgspec.Raw]:
    return _structure.decode(zlib.decompressobj().decompress(_read()))


def names() -> list[str]:
    """Return the names of all definitions, e.g. io.k8s.api.core.v1.Pod."""
    return list(_definitions())


def definition(name: str) -> Object:
    """Return a definition as a swagger schema without descriptions; it belongs to the caller.

    Raises KeyError if there is no such definition.
    """
    schema: Object = msgspec.json.decode(_definitions()[name])
    return schema


def descriptions() -> Descriptions:
    """Return every description. Read anew at each call: drop it when done."""
    stream = zlib.decompressobj()
    stream.decompress(_read())
    return _descriptions.decode(zlib.decompress(stream.unused_data))
