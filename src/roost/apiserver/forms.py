"""Records as answers: whole or as PartialObjectMetadata or Table, as JSON, YAML or protobuf.

Only the plain form in the storage version goes without decoding; that is the form of controllers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Final, TypeVar

from roost.api.kind import Kind
from roost.api.protobuf import objects
from roost.api.protobuf.envelope import wrap
from roost.api.table import bare, in_order
from roost.api.values import Object, Value
from roost.apiserver.core import Core, is_custom, shown
from roost.apiserver.encoding import encode, head_of, list_body, pretty_json, to_yaml
from roost.apiserver.messages import JSON, YAML, Pieces
from roost.apiserver.negotiation import PROTOBUF, Form
from roost.apiserver.reading import Listing
from roost.apiserver.tables import Tables
from roost.store.port import Record

FormedT = TypeVar("FormedT")

#: So many records are put into another form before others have their turn.
_TURN: Final = 100
#: So many are written as YAML, which takes far longer.
_YAML_TURN: Final = 10


def render(value: Value, form: Form, pretty: bool) -> bytes:
    """Encode a JSON value in the media type of a form."""
    if form.media == YAML:
        return to_yaml(value)
    if form.media == PROTOBUF:
        return objects.encode(value)
    return pretty_json(value) if pretty else encode(value)


def message_of(kind: Kind, record: Record) -> bytes:
    """Return a record as a bare protobuf message; it is made once for all who ask."""
    if kind.convert is not None:
        return objects.message(kind.api_version, kind.name, shown(kind, record))
    if record.message is None:
        record.message = objects.message(kind.api_version, kind.name, record.object)
    return record.message


async def _in_turns(
    records: Sequence[Record], form: Callable[[Record], FormedT]
) -> AsyncIterator[FormedT]:
    for index, record in enumerate(records):
        if index % _TURN == _TURN - 1:
            await asyncio.sleep(0)
        yield form(record)


async def _yaml_list(body: Object) -> bytes:
    """Write a list as YAML, some items at a time: the bytes are those of the whole."""
    items = body["items"]
    parts = [to_yaml({"apiVersion": body["apiVersion"]})]
    for start in range(0, len(items), _YAML_TURN):
        part = to_yaml({"items": items[start : start + _YAML_TURN]})
        parts.append(part.partition(b"\n")[2] if start else part)
        await asyncio.sleep(0)
    if not items:
        parts.append(to_yaml({"items": []}))
    parts.append(to_yaml({"kind": body["kind"], "metadata": body["metadata"]}))
    return b"".join(parts)


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
            value = bare(kind, value, form.version)
        return render(value, form, pretty)

    async def many(
        self, kind: Kind, listing: Listing, form: Form, pretty: bool = False, include: str = ""
    ) -> bytes | Pieces:
        """Return the body for a list. While a long one is made, others have their turns."""
        if not form.transform and not pretty and form.media == JSON:
            return self._plain_list(kind, listing)
        metadata: Object = {}
        if listing.revision:
            metadata["resourceVersion"] = str(listing.revision)
        if listing.token:
            metadata["continue"] = listing.token
        if listing.remaining is not None:
            metadata["remainingItemCount"] = listing.remaining
        if form.media == PROTOBUF and not form.transform:
            messages = [message async for message in _in_turns(
                listing.records, lambda record: message_of(kind, record)
            )]  # fmt: skip
            return objects.encode_list(kind.api_version, kind.list_kind, metadata, messages)
        values = [value async for value in _in_turns(
            listing.records, lambda record: shown(kind, record, keep=False)
        )]  # fmt: skip
        if form.transform == "Table":
            return await self._table(kind, values, form, pretty, include, metadata)
        if form.transform:
            body: Object = {
                "kind": "PartialObjectMetadataList",
                "apiVersion": f"meta.k8s.io/{form.version}",
                "metadata": metadata,
                "items": [bare(kind, value, form.version) for value in values],
            }
        else:
            body = {
                "kind": kind.list_kind,
                "apiVersion": kind.api_version,
                "metadata": metadata,
                "items": list(self._items(kind, values)),
            }
        if form.media == YAML:
            return await _yaml_list(body)
        return render(body, form, pretty)

    async def _table(
        self, kind: Kind, values: Sequence[Object], form: Form, pretty: bool, include: str,
        metadata: Object,
    ) -> bytes:  # fmt: skip
        values = in_order(kind, values)
        whole = self.tables.table(kind, values[:_TURN], form.version, include, metadata)
        for start in range(_TURN, len(values), _TURN):
            await asyncio.sleep(0)
            part = self.tables.table(
                kind, values[start : start + _TURN], form.version, include, metadata,
                with_definitions=False,
            )  # fmt: skip
            whole["rows"] += part["rows"]
        return render(whole, form, pretty)

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
