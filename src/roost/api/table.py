"""Tables (`as=Table`) and bare metadata (`as=PartialObjectMetadata`): other faces of objects.

What a table says is in the columns of a `Kind`; a kind without columns has its name and its time of
creation. Definitions are made once for each set of columns and shared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from roost.api.columns import pods
from roost.api.columns.cells import DEFAULT, SCHEMA, references
from roost.api.errors import BadRequest
from roost.api.kind import Column, Kind
from roost.api.schema import document
from roost.api.values import Object

METADATA = "Metadata"
WHOLE = "Object"
NOTHING = "None"
_INCLUDES = {"", METADATA, WHOLE, NOTHING}

#: Conditions of a row, for kinds that have such.
_ROW_CONDITIONS: Mapping[tuple[str, str], Callable[[Object], list[Object]]] = {
    ("", "Pod"): pods.row_conditions,
}


def _precedence(schema: Object) -> tuple[int, str]:
    return schema.get("spec", {}).get("matchingPrecedence", 0), schema["metadata"]["name"]


#: Order of the rows, for kinds that are not shown in the order of their names.
_ORDERS: Mapping[tuple[str, str], Callable[[Object], Any]] = {
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): _precedence,
}


#: Annotations that the server writes only into versions of an object, and tables know none.
_VERSIONED: Mapping[tuple[str, str], str] = {
    ("apps", "DaemonSet"): "deprecated.daemonset.template.generation",
}


_BUILT_IN = "io.k8s."


@lru_cache(maxsize=1)
def _schema_texts() -> dict[str, str]:
    """Return the texts of the schema document that columns refer to."""
    texts = document.descriptions()
    found: dict[str, str] = {}
    for reference in references:
        definition, _, field = reference.rpartition(".")
        prefix = "io.k8s." if definition.startswith("apimachinery.") else "io.k8s.api."
        found[SCHEMA + reference] = texts.get(prefix + definition, {}).get(field, "")
    return found


@lru_cache(maxsize=1024)
def definitions(columns: tuple[Column, ...]) -> list[Object]:
    """Return the columnDefinitions of columns; shared, not to be changed."""
    return [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": _schema_texts().get(column.description, column.description),
            "priority": column.priority,
        }
        for column in columns
    ]


def check_include(include: str) -> None:
    """Check the `includeObject` of a request; raise BadRequest."""
    if include not in _INCLUDES:
        raise BadRequest(
            f'Unable to convert to Table as requested: includeObject: Invalid value: "{include}": '
            "must be 'Metadata', 'Object', 'None', or empty"
        )


def partial_metadata(value: Object, version: str = "v1") -> Object:
    """Return the PartialObjectMetadata of an object."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": value.get("metadata") or {},
    }


def bare(kind: Kind, value: Object, version: str = "v1") -> Object:
    """Return the PartialObjectMetadata of an object, as all versions of its kind share it."""
    hidden = _VERSIONED.get((kind.group, kind.name), "")
    return _without(partial_metadata(_common(kind, value), version), hidden)


def in_order(kind: Kind, values: Sequence[Object]) -> Sequence[Object]:
    """Return objects in the order in which a Table shows them."""
    order = _ORDERS.get((kind.group, kind.name))
    return sorted(values, key=order) if order else values


def table(
    kind: Kind,
    values: Sequence[Object],
    *,
    now: float,
    metadata: Object,
    version: str = "v1",
    include: str = METADATA,
    with_definitions: bool = True,
) -> Object:
    """Return a Table of objects of a kind.

    `now` is in epoch seconds, `metadata` that of a list (for one object, its resourceVersion). In a
    watch only the first event needs the definitions. Raises BadRequest for an unknown `include`.
    """
    check_include(include)
    columns = kind.columns or DEFAULT
    key = kind.group, kind.name
    rows = [
        _row(columns, value, _common(kind, value), now, version, include, _VERSIONED.get(key, ""))
        for value in in_order(kind, values)
    ]
    conditions_of = _ROW_CONDITIONS.get(key)
    if conditions_of is not None:
        for row, value in zip(rows, values, strict=True):
            if conditions := conditions_of(value):
                row["conditions"] = conditions
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata,
        "columnDefinitions": definitions(columns) if with_definitions else None,
        "rows": rows,
    }


def _common(kind: Kind, value: Object) -> Object:
    """Return the form of an object that all versions of a built-in kind share: tables show that."""
    if kind.convert is None or not kind.schema.startswith(_BUILT_IN):
        return value
    return kind.convert.to_storage(value)


def _row(
    columns: tuple[Column, ...], value: Object, common: Object, now: float, version: str,
    include: str, hidden: str,
) -> Object:  # fmt: skip
    shown: Object | None = None
    if include == WHOLE:
        shown = value
    elif include != NOTHING:
        shown = _without(partial_metadata(common, version), hidden)
    return {"cells": [column.cell(common, now) for column in columns], "object": shown}


def _without(partial: Object, annotation: str) -> Object:
    """Return bare metadata without an annotation, if there is one to leave out."""
    annotations = partial["metadata"].get("annotations") or {}
    if annotation not in annotations:
        return partial
    rest = {key: value for key, value in annotations.items() if key != annotation}
    meta = {key: value for key, value in partial["metadata"].items() if key != "annotations"}
    return {**partial, "metadata": {**meta, "annotations": rest} if rest else meta}
