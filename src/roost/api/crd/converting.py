"""Versions of a custom resource: what is stored in one is shown in others.

With the strategy None only the apiVersion differs; what the other version's schema does not know is
left out. Defaults are those of the version that is stored, filled in when it is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from roost.api.kind import Conversion
from roost.api.schema.node import Node
from roost.api.schema.structural import default_object, prune_object
from roost.api.values import Object, copy_of

#: From an object and the version wanted to the object in that version.
Converter = Callable[[Object, str], Object]


@dataclass(frozen=True, slots=True)
class Converters:
    """How objects change their version on their way into the store, and out of it."""

    inward: Converter
    outward: Converter


def swapped(value: Object, api_version: str) -> Object:
    """Return the object with another apiVersion: the conversion of the strategy None."""
    return {**value, "apiVersion": api_version}


SWAPPED = Converters(swapped, swapped)


def conversion(
    own: str, storage: str, nodes: dict[str, Node], defaults: dict[str, Node], by: Converters
) -> Conversion:
    """Return the conversion of the version `own` to the `storage` version and back (apiVersions)."""

    def moved(value: Object, target: str, convert: Converter) -> Object:
        if value.get("apiVersion") == target:
            return value
        made = convert(value, target)
        node = nodes.get(target)
        if node is not None:
            made, _ = prune_object(node, made)
        return made

    def to_storage(value: Object) -> Object:
        made = moved(value, storage, by.inward)
        if made is not value and storage in defaults:
            default_object(defaults[storage], made)
        return made

    def from_storage(value: Object) -> Object:
        node = defaults.get(value.get("apiVersion", ""))
        if node is not None:
            value = copy_of(value)
            default_object(node, value)
        return moved(value, own, by.outward)

    return Conversion(to_storage, from_storage)
