"""Get and list: what is answered without changing anything.

A list is read from the store as records and never decoded unless somebody selects by content. Continue
tokens have the form of the real server's: base64 of `{"v","rv","start"}`.
"""

from __future__ import annotations

import asyncio
import base64
import posixpath
import re
from dataclasses import dataclass, field
from typing import Any, Final

from roost.api.errors import BadRequest, Expired, not_found
from roost.api.kind import Kind
from roost.api.schema import syntax
from roost.api.schema.body import json_type
from roost.api.values import Object, Value
from roost.apiserver import failures, keys
from roost.apiserver.core import Core, shown
from roost.apiserver.encoding import decode, encode
from roost.apiserver.options import ListOptions, parse_version
from roost.apiserver.selection import Selection
from roost.store.port import Compacted, FutureRevision, Page, Record

_TOKEN_VERSION: Final = "meta.k8s.io/v1"  # noqa: S105 - the format of a continue token, no secret
_TOKEN_TYPE: Final = "storage.continueToken"  # noqa: S105 - the name of a type
_NOT_BASE64: Final = re.compile("[^A-Za-z0-9_-]")
_PAGE: Final = 500
#: So many records are looked into before others have their turn.
_TURN: Final = 100

_CONTINUE_EXPIRED: Final = (
    "The provided continue parameter is too old to display a consistent list result. You can start "
    "a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the first "
    "chunk was returned and now may show up in the list."
)
_VERSION_EXPIRED: Final = "The resourceVersion for the provided list is too old."


class ExpiredContinue(Expired):
    """410 that carries a token with which the list can be continued inconsistently."""

    def __init__(self, token: str) -> None:
        super().__init__(_CONTINUE_EXPIRED)
        self.token = token

    def status(self) -> Object:
        body = super().status()
        body["metadata"] = {"continue": self.token}
        return body


async def get(
    core: Core, kind: Kind, namespace: str, name: str, resource_version: str = ""
) -> Record:
    """Return one object's record; raises NotFound, Timeout."""
    if resource_version and resource_version != "0":
        wanted = parse_version(resource_version)
        if wanted is None:
            raise failures.bad_version(resource_version)
        if wanted > core.store.revision():
            raise failures.too_large_version(wanted, core.store.revision())
    if kind.resource in core.computed:
        record = next((r for r in _computed(core, kind) if r.key == name), None)
    else:
        record = await core.store.get(keys.key_of(kind, namespace, name))
    if record is None:
        raise not_found(kind.group, kind.plural, name)
    await core.converted(kind, [record])
    return record


def _computed(core: Core, kind: Kind) -> list[Record]:
    """Return records of what is not stored, with names for keys."""
    values = core.computed[kind.resource]()
    return [core.unsaved(kind, value["metadata"]["name"], value, 0) for value in values]


@dataclass(slots=True)
class Listing:
    """A page of a list, in key order; at revision 0 what no store has."""

    records: list[Record]
    revision: int
    token: str = ""
    remaining: int | None = None
    extra: Object = field(default_factory=dict)


def encode_token(revision: int, start: str) -> str:
    raw = encode({"v": _TOKEN_VERSION, "rv": revision, "start": start})
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_token(token: str) -> tuple[int, str]:
    """Return revision and key of a continue token; raises BadRequest."""
    try:
        return _decoded_token(token)
    except ValueError as error:
        raise BadRequest(f"invalid continue token: continue key is not valid{error}") from None


def _decoded_token(token: str) -> tuple[int, str]:
    """Do so, but raise ValueError with what follows the words that all complaints share."""
    odd = _NOT_BASE64.search(token)
    if odd is not None or len(token) % 4 == 1:
        at = len(token) - 1 if odd is None else odd.start()
        raise ValueError(f": illegal base64 data at input byte {at}")
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    if why := syntax.problem(raw):
        raise ValueError(f": {why}")
    value = _token_fields(decode(raw))
    version, revision, start = value["v"], value["rv"], value["start"]
    if version != _TOKEN_VERSION:
        raise ValueError(f": server does not recognize this encoded version {version}")
    if revision == 0:
        text = f"incorrect encoded start resourceVersion (version {_TOKEN_VERSION})"
        raise ValueError(f": {text}")
    if not start:
        raise ValueError(f": encoded start key empty (version {_TOKEN_VERSION})")
    path = start if start.startswith("/") else f"/{start}"
    # It may lead nowhere but below the prefix of its kind.
    if "//" in path or posixpath.normpath(path) != path:
        raise ValueError(f": {start}")
    return revision, path[1:]


def _token_fields(value: Value) -> dict[str, Any]:
    """Return what a token says, with Go's defaults; raises ValueError for other types."""
    given = {} if value is None else value
    if not isinstance(given, dict):
        found = json_type(value)
        why = f"json: cannot unmarshal {found} into Go value of type {_TOKEN_TYPE}"
        raise ValueError(f": {why}")  # noqa: TRY004 - what is wrong is a text, not our code
    fields: dict[str, Any] = {"v": "", "rv": 0, "start": ""}
    for name, default in fields.items():
        item = given.get(name)
        if item is None:
            continue
        if type(item) is not type(default):
            wanted = "int64" if name == "rv" else "string"
            raise ValueError(
                f": json: cannot unmarshal {json_type(item)} into Go struct field "
                f"continueToken.{name} of type {wanted}"
            )
        fields[name] = item
    return fields


def _start(core: Core, options: ListOptions) -> tuple[int, str, bool]:
    """Return at which revision (0: now) and after which key to list, and if that must be exact."""
    version = options.resource_version
    if options.continue_token:
        if version and version != "0":
            raise BadRequest("specifying resource version is not allowed when using continue")
        revision, start = decode_token(options.continue_token)
        return (max(0, revision)), start, revision > 0
    if not version:
        return 0, "", False
    wanted = parse_version(version)
    if wanted is None:
        raise BadRequest(f"invalid resource version: {failures.bad_version(version).message}")
    current = core.store.revision()
    if wanted > current:
        raise failures.too_large_version(wanted, current)
    exact = options.match == "Exact" or (options.limit > 0 and wanted > 0 and not options.match)
    return (wanted if exact else 0), "", exact


async def list_records(
    core: Core, kind: Kind, namespace: str, selection: Selection, options: ListOptions
) -> Listing:
    """Return the selected records of a kind; raises BadRequest, Expired, Timeout."""
    if kind.resource in core.computed:
        every = _computed(core, kind)
        return Listing([r for r in every if selection.matches(kind, r.object)], 0)
    revision, start, exact = _start(core, options)
    prefix = keys.prefix_of(kind, namespace)
    after = prefix + start if start else ""
    limit = 0 if options.resource_version == "0" else max(options.limit, 0)
    if selection.name and not start and revision == 0:
        return await _one(core, kind, namespace, selection)
    try:
        if selection.empty:
            page = await core.store.list(prefix, limit=limit, after=after, revision=revision)
            await core.converted(kind, page.records)
            return _listing(prefix, page, limit)
        return await _selected(core, kind, prefix, selection, limit, after, revision)
    except Compacted as error:
        if options.continue_token:
            raise ExpiredContinue(encode_token(-1, start)) from error
        raise Expired(_VERSION_EXPIRED if exact else str(error)) from error
    except FutureRevision as error:
        raise failures.too_large_version(revision, error.revision) from error


def _listing(prefix: str, page: Page, limit: int) -> Listing:
    if not limit or page.remaining <= 0 or not page.records:
        return Listing(page.records, page.revision)
    token = encode_token(page.revision, page.records[-1].key[len(prefix) :])
    return Listing(page.records, page.revision, token, page.remaining)


async def _one(core: Core, kind: Kind, namespace: str, selection: Selection) -> Listing:
    """List by metadata.name without looking at every object."""
    where = namespace or selection.namespace
    if kind.namespaced and not where:
        page = await core.store.list(keys.prefix_of(kind))
        end = "/" + selection.name
        found = [record for record in page.records if record.key.endswith(end)]
        revision = page.revision
    else:
        revision = core.store.revision()
        record = await core.store.get(keys.key_of(kind, where, selection.name))
        found = [] if record is None else [record]
    await core.converted(kind, found)
    return Listing(
        [r for r in found if selection.matches(kind, shown(kind, r, keep=False))], revision
    )


async def _selected(
    core: Core, kind: Kind, prefix: str, selection: Selection, limit: int, after: str, revision: int
) -> Listing:
    found: list[Record] = []
    while True:
        page = await core.store.list(
            prefix, limit=max(limit, _PAGE) if limit else 0, after=after, revision=revision
        )
        revision = page.revision
        await core.converted(kind, page.records)
        for index, record in enumerate(page.records):
            if index % _TURN == _TURN - 1:
                await asyncio.sleep(0)
            if not selection.may_match(record.value) or not selection.matches(
                kind, shown(kind, record, keep=False)
            ):
                continue
            found.append(record)
            if limit and len(found) == limit:
                if index + 1 == len(page.records) and page.remaining <= 0:
                    return Listing(found, revision)
                token = encode_token(revision, record.key[len(prefix) :])
                return Listing(found, revision, token)
        if not limit or page.remaining <= 0 or not page.records:
            return Listing(found, revision)
        after = page.records[-1].key
