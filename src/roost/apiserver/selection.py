"""Which objects of a kind a list or a watch means: label and field selectors, checked for the kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from roost.api.errors import BadRequest
from roost.api.kind import Kind
from roost.api.selectors import (
    FieldSelector,
    LabelSelector,
    field_not_known,
    field_not_supported,
    parse_fields,
    parse_labels,
)
from roost.api.values import Object
from roost.apiserver.core import is_custom
from roost.apiserver.encoding import encode

#: Fields that are strings in stored objects too, never computed.
_PLAIN_FIELDS = frozenset({"spec.nodeName", "involvedObject.name", "involvedObject.uid"})
_ONE_OF = frozenset({"=", "==", "in"})
_PRESENT = frozenset({*_ONE_OF, "exists", "gt", "lt"})


@dataclass(frozen=True, slots=True)
class Selection:
    """Label and field requirements on objects of one kind, in the version asked for."""

    labels: LabelSelector
    fields: FieldSelector
    name: str = ""  # the only name that can match, if the fields say so
    namespace: str = ""
    #: What the stored bytes of every object that matches contain.
    marks: tuple[bytes, ...] = ()

    @property
    def empty(self) -> bool:
        return self.labels.empty and self.fields.empty

    def may_match(self, stored: bytes) -> bool:
        """Could the object with these bytes match? Saves decoding most of those that do not."""
        return all(mark in stored for mark in self.marks)

    def matches(self, kind: Kind, value: Object) -> bool:
        metadata = value["metadata"]
        if not self.labels.empty and not self.labels.matches(metadata.get("labels")):
            return False
        if self.fields.empty:
            return True

        def value_of(field: str) -> str | None:
            if field == "metadata.name":
                return str(metadata.get("name", ""))
            if field == "metadata.namespace":
                return str(metadata.get("namespace", ""))
            return kind.fields[field](value)

        return self.fields.matches(value_of)


@lru_cache(maxsize=4096)
def _parse(labels: str, fields: str) -> Selection:
    try:
        by_label = parse_labels(labels)
        by_field = parse_fields(fields)
    except ValueError as error:
        raise BadRequest(str(error)) from error
    return Selection(
        by_label,
        by_field,
        by_field.exact("metadata.name") or "",
        by_field.exact("metadata.namespace") or "",
        (*_label_marks(by_label), *_field_marks(by_field)),
    )


def _label_marks(labels: LabelSelector) -> Iterator[bytes]:
    for wanted in labels.requirements:
        if wanted.operator in _ONE_OF and len(wanted.values) == 1:
            yield encode({wanted.key: wanted.values[0]})[1:-1]
        elif wanted.operator in _PRESENT:
            yield encode(wanted.key) + b":"


def _field_marks(fields: FieldSelector) -> Iterator[bytes]:
    for term in fields.terms:
        if term.equal and term.value and term.field in _PLAIN_FIELDS:
            yield encode(term.value)


def _refusal(kind: Kind, field: str) -> str:
    if kind.name == "ResourceSlice" and kind.group == "resource.k8s.io":  # has words of its own
        return f"field label not supported for {kind.api_version}, Kind={kind.name}: {field}"
    if kind.name == "Job" and kind.group == "batch":
        return f'field label "{field}" not supported for Job'
    return field_not_supported(field) if _has_own_fields(kind) else field_not_known(field)


def _has_own_fields(kind: Kind) -> bool:
    return bool(kind.fields) or is_custom(kind)


def _may_select(kind: Kind, field: str) -> bool:
    """May objects of the kind be selected by a field?

    The namespace of what has none is only no field where a kind says itself what its fields are.
    """
    if field == "metadata.namespace":
        return kind.namespaced or not _has_own_fields(kind)
    return field == "metadata.name" or field in kind.fields


EVERYTHING = _parse("", "")


def parse_selection(kind: Kind, labels: str, fields: str) -> Selection:
    """Return the selection that the texts of a request ask for; raises BadRequest."""
    if not labels and not fields:
        return EVERYTHING
    selection = _parse(labels, fields)
    for field in selection.fields.fields:
        if not _may_select(kind, field):
            raise BadRequest(_refusal(kind, field))
    return selection
