"""Records as answers: whole or as PartialObjectMetadata or Table, as JSON, YAML or protobuf.

Only the plain form in the storage version goes without decoding; that is the form of controllers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from roost.api.kind import Kind
from roost.api.protobuf import objects
from roost.api.protobuf.envelope import wrap
from roost.api.values import Object, Value
from roost.apiserver.core import Core, is_custom, shown
from roost.apiserver.encoding import encode, head_of, list_body, pretty_json, to_yaml
from roost.apiserver.messages import JSON, YAML, Pieces
from roost.apiserver.negotiation import PROTOBUF, Form
from roost.apiserver.reading import Listing
from roost.apiserver.tables import Tables
from roost.store.port import Record

#: So many records are put into protobuf before others have their turn.
_TURN: Final = 100


def render(value: Value, form: Form, pretty: bool) -> bytes:
    """Encode a JSON value in the media type of a form."""
    if form.media == YAML:
        return to_yaml(value)
    if form.media == PROTOBUF:
        return objects.encode(value)
    return pretty_json(value) if pretty else encode(value)


def partial(value: Object, version: str = "v1") -> Object:
    """Return the PartialObjectMetadata of an object."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": value["metadata"],
    }


def message_of(kind: Kind, record: Record) -> bytes:
    """Return a record as a bare protobuf message; it is made once for all who ask."""
    if kind.convert is not None:
        return objects.message(kind.api_version, kind.name, shown(kind, record))
    if record.message is None:
        record.message = objects.message(kind.api_version, kind.name, record.object)
    return record.message


async def prepare(kind: Kind, listing: Listing, form: Form) -> None:
    """Make the messages of a list, so that a long one does not keep everybody waiting."""
    if form.media != PROTOBUF or form.transform or kind.convert is not None:
        return
    for index, record in enumerate(listing.records):
        message_of(kind, record)
        if index % _TURN == _TURN - 1:
            await asyncio.sleep(0)


class Forms:
    """Builds the bodies of answers. `include` is the includeObject of a table request."""

    def __init__(self, core: Core, tables: Tables) -> None:
        self._core = core
        self.tables = tables

    def one(
        self, kind: Kind, record: Record, form: Form, pretty: bool = False, include: str = ""
    ) -> bytes:
        """Return the body for one object."""
        if form.media == PROTOBUF and not form.transform:
            return wrap(kind.api_version, kind.name, message_of(kind, record))
        if not form.transform and not pretty and form.media != YAML and kind.convert is None:
            return record.value
        return self.value(kind, shown(kind, record), form, pretty, include)

    def value(
        self, kind: Kind, value: Object, form: Form, pretty: bool = False, include: str = ""
    ) -> bytes:
        """Return the body for an object that no record holds."""
        if form.transform == "Table":
            value = self.tables.table(
                kind, [value], form.version, include,
                {"resourceVersion": value["metadata"].get("resourceVersion", "")},
            )  # fmt: skip
        elif form.transform:
            value = partial(value, form.version)
        return render(value, form, pretty)

    def many(
        self, kind: Kind, listing: Listing, form: Form, pretty: bool = False, include: str = ""
    ) -> bytes | Pieces:
        """Return the body for a list."""
        if not form.transform and not pretty and form.media == JSON:
            return self._plain_list(kind, listing)
        metadata: Object = {"resourceVersion": str(listing.revision)}
        if listing.token:
            metadata["continue"] = listing.token
        if listing.remaining is not None:
            metadata["remainingItemCount"] = listing.remaining
        if form.media == PROTOBUF and not form.transform:
            messages = (message_of(kind, record) for record in listing.records)
            return objects.encode_list(kind.api_version, kind.list_kind, metadata, messages)
        values = [shown(kind, record, keep=False) for record in listing.records]
        if form.transform == "Table":
            table = self.tables.table(kind, values, form.version, include, metadata)
            return render(table, form, pretty)
        if form.transform:
            body: Object = {
                "kind": "PartialObjectMetadataList",
                "apiVersion": f"meta.k8s.io/{form.version}",
                "metadata": metadata,
                "items": [partial(value, form.version) for value in values],
            }
        else:
            body = {
                "kind": kind.list_kind,
                "apiVersion": kind.api_version,
                "metadata": metadata,
                "items": list(self._items(kind, values)),
            }
        return render(body, form, pretty)

    def _plain_list(self, kind: Kind, listing: Listing) -> bytes | Pieces:
        custom = is_custom(kind)
        if kind.convert is None:
            strip = 0 if custom else len(head_of(kind))
            bodies = [record.value for record in listing.records]
        else:
            strip = 0
            values = (shown(kind, record, keep=False) for record in listing.records)
            bodies = [encode(value) for value in self._items(kind, values)]
        return list_body(
            kind, bodies, listing.revision,
            strip=strip, token=listing.token, remaining=listing.remaining,
            custom=custom,
        )  # fmt: skip

    @staticmethod
    def _items(kind: Kind, values: Iterable[Object]) -> Iterable[Object]:
        """Return list items: those of built-in kinds do not repeat kind and apiVersion."""
        if is_custom(kind):
            return values
        return (
            {key: item for key, item in value.items() if key not in {"kind", "apiVersion"}}
            for value in values
        )
