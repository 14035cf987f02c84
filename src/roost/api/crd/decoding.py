"""Bodies of custom resources to objects: pruned by their schema, with metadata as typed as
everywhere.

A custom resource has no Go type: values of a wrong type are found by validation, not here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from roost.api.crd.embedded import coerce_embedded, complaint_below
from roost.api.errors import BadRequest, Cause, StatusError, invalid
from roost.api.jsontext import TooLarge, read_numbers
from roost.api.kind import Kind
from roost.api.schema.decode import decode, strict_message, unhandled
from roost.api.schema.node import Node
from roost.api.schema.scalars import Mismatch
from roost.api.schema.structural import prune_object
from roost.api.values import Object, Value


def decode_custom(
    kind: Kind,
    node: Node,
    value: Value,
    field_validation: str,
    refused: Callable[[str], StatusError] | None = None,
) -> tuple[Object, list[str]]:
    """Return the private, pruned object and the warnings for its author. Raises BadRequest, Invalid,
    or what `refused` makes of a reason why the value cannot be decoded.
    """
    refused = refused or partial(unhandled, node, value)
    if not isinstance(value, dict):
        raise BadRequest("error decoding: the body is not an object")
    try:
        value = read_numbers(value)
    except TooLarge as error:
        raise refused(str(error)) from None
    pruned, complaints = prune_object(node, value)
    metadata = value.get("metadata")
    try:
        decoded, more = decode(node.fields["metadata"], metadata)
        coerce_embedded(node, pruned, "", complaints)
    except Mismatch as error:
        raise refused(str(error)) from None
    complaints = sorted([*complaints, *(complaint_below("metadata", text) for text in more)])
    if complaints and field_validation == "Strict":
        raise refused(strict_message(complaints))
    made: Object = {"kind": value.get("kind") or kind.name}
    made["apiVersion"] = value.get("apiVersion") or kind.api_version
    made["metadata"] = decoded
    made.update((key, item) for key, item in pruned.items() if key not in made)
    if not kind.namespaced:
        decoded.pop("namespace", None)
    return made, complaints if field_validation == "Warn" else []


def check_type(kind: Kind, value: Object) -> None:
    """Refuse an object of another kind or version. Raises Invalid."""
    causes = []
    for field, wanted in (("apiVersion", kind.api_version), ("kind", kind.name)):
        given = value.get(field)
        if given != wanted:
            causes.append(
                Cause("FieldValueInvalid", f'Invalid value: "{given}": must be {wanted}', field)
            )
    if causes:
        name = value.get("metadata", {}).get("name", "")
        raise invalid(kind.group, str(value.get("kind")), name, causes)
