"""Bodies of requests: bytes of JSON, YAML or protobuf, up to the typed object.

`read` gives the value, with its duplicate keys where a strict decoder must complain of them;
`decode_body` does all that the server does before admission: parse, check apiVersion and kind,
decode. Every error is the real server's answer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from roost.api.depth import guarded
from roost.api.errors import BadRequest, StatusError
from roost.api.protobuf import envelope, reading, wire
from roost.api.schema import document, syntax, yaml
from roost.api.schema.decode import decode, strict_message, unhandled
from roost.api.schema.former import is_former
from roost.api.schema.node import Node
from roost.api.schema.nodes import node
from roost.api.schema.scalars import Mismatch
from roost.api.schema.strict import Pairs
from roost.api.values import Object, Value

_encode = msgspec.json.Encoder().encode
_decode = guarded(msgspec.json.Decoder().decode)
_loads = guarded(json.loads)
_SUMMARY = 30  # bytes of a body that an error repeats
_SCHEME = "pkg/api/legacyscheme/scheme.go:30"
_GO_STRUCT = (
    'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; '
    'Kind string "json:\\"kind,omitempty\\"" }'
)
#: Bodies that are taken for the other: kubectl drain of long ago still evicts.
_ALIASES = {(("policy/v1beta1", "Eviction"), ("policy/v1", "Eviction"))}


class Malformed(ValueError):
    """The body is not JSON (or YAML); the text is that of Go's parser."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The kind that the body of a request must have."""

    group: str
    version: str
    kind: str
    node: Node

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


@lru_cache(maxsize=512)
def definition_of(group: str, version: str, kind: str) -> str | None:
    """Return the name of a kind's definition in the schema file, or None if it has none."""
    for name in document.names():
        if name.endswith(f".{version}.{kind}"):
            named = document.definition(name).get("x-kubernetes-group-version-kind", [])
            if {"group": group, "version": version, "kind": kind} in named:
                return name
    return None


@lru_cache(maxsize=512)
def expected(group: str, version: str, kind: str) -> Expected:
    """Return what a request for a built-in kind must carry. Raises KeyError for another kind."""
    name = definition_of(group, version, kind)
    if name is None:
        raise KeyError(f"{group}/{version} {kind}")
    return Expected(group, version, kind, node(name))


def read(raw: bytes) -> Value:
    """Return the value of JSON text; of duplicate keys the last counts. Raises Malformed."""
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = syntax.problem(raw)
    except RecursionError:
        problem = syntax.TOO_DEEP
    if problem is not None:
        raise Malformed(problem)
    return _read_lenient(raw)


def read_with_duplicates(raw: bytes) -> Value:
    """Return the value of JSON text, with `Pairs` for objects with a repeated key, and outermost.

    Repeated keys are rare and finding them is slow, so they are looked for only where the text has
    more keys than its value has when it is written again. Raises Malformed.
    """
    value = read(raw)
    if raw.count(b'":') == _encode(value).count(b'":'):
        return value
    return _read_lenient(raw)


def _read_lenient(raw: bytes) -> Value:
    """Parse text that is JSON for Go but has bad UTF-8, lone surrogates or duplicates."""
    repeated: list[Pairs] = []

    def made(pairs: list[tuple[str, Value]]) -> Object:
        plain = dict(pairs)
        if len(plain) == len(pairs):
            return plain
        repeated.append(Pairs(pairs))
        return repeated[-1]

    try:
        value = _loads(raw.decode("utf-8", "replace"), object_pairs_hook=made)
    except (ValueError, RecursionError):
        raise Malformed(syntax.TOO_DEEP) from None
    value = _without_surrogates(value)
    # The outermost object tells that there is something to complain of, wherever it is.
    return Pairs(list(value.items())) if repeated and type(value) is dict else value


def _without_surrogates(value: Value) -> Value:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        items = [(_without_surrogates(key), _without_surrogates(value[key])) for key in value]
        value.clear()
        value.update(items)
    return value


def decode_body(
    raw: bytes, media_type: str, expect: Expected, field_validation: str = "Ignore"
) -> tuple[Object, list[str]]:
    """Return the typed object in a body and the warnings for its author.

    The object has the expected apiVersion and kind even if the body does not say them.
    `field_validation` is Strict, Warn or Ignore. Raises BadRequest.
    """
    repeated: list[str] = []
    if media_type.endswith("protobuf"):
        value = _from_protobuf(raw, expect)
    else:
        is_yaml = media_type.endswith("yaml")
        value, repeated = parsed(raw, expect, field_validation, is_yaml=is_yaml)
        if value is None:
            value = {}
        _check_kind(raw, value, expect)
    try:
        decoded, complaints = decode(expect.node, value)
    except Mismatch as error:
        raise unhandled(expect.node, value, str(error)) from None
    complaints = [*repeated, *complaints]
    if complaints and field_validation == "Strict":
        raise unhandled(expect.node, value, strict_message(complaints))
    stamped: Object = {"kind": expect.kind, "apiVersion": expect.api_version}
    stamped.update((k, v) for k, v in decoded.items() if k not in stamped)
    return stamped, complaints if field_validation == "Warn" else []


def parsed(
    raw: bytes, expect: Expected, field_validation: str, *, is_yaml: bool
) -> tuple[Value, list[str]]:
    """Return the value of a body and what is repeated in it, if it is YAML and somebody asks."""
    wanted = field_validation != "Ignore"
    try:
        if is_yaml:
            value, repeated = yaml.parse(raw)
            return value, repeated if wanted else []
        return (read_with_duplicates(raw) if wanted else read(raw)), []
    except yaml.MalformedYAML as error:
        raise _unrecognized(raw, expect, str(error)) from None
    except Malformed as error:
        problem = f"couldn't get version/kind; json parse error: {error}"
        raise _unrecognized(raw, expect, problem) from None


def _from_protobuf(raw: bytes, expect: Expected) -> Object:
    """Return the object in an envelope of the expected kind; there is nothing strict about it."""
    try:
        api_version, kind, message = envelope.unwrap(raw)
    except wire.Malformed as error:
        raise _unrecognized(raw, expect, str(error)) from None
    head: Object = {"kind": kind or expect.kind, "apiVersion": api_version or expect.api_version}
    _check_kind(raw, head, expect)
    try:
        return reading.read_object(head["apiVersion"], head["kind"], message)
    except wire.Malformed as error:
        raise unhandled(expect.node, head, str(error)) from None


def _unrecognized(raw: bytes, expect: Expected, problem: str) -> BadRequest:
    """Return the error for a body in which not even the kind can be found."""
    if not raw:
        summary = "<empty>"
    else:
        head = raw[:_SUMMARY]
        more = " ..." if len(raw) > _SUMMARY else ""
        shown = head.decode("utf-8", "replace") if raw[:1] == b"{" else head.hex()
        summary = shown + more
    return BadRequest(
        f"the object provided is unrecognized (must be of type {expect.kind}): {problem} ({summary})"
    )


def head_problem(value: Value) -> str:
    """Return what Go says of a body whose kind and version cannot be read, "" if they can."""
    prefix = "json: cannot unmarshal "
    if not isinstance(value, dict):
        return f"{prefix}{json_type(value)} into Go value of type {_GO_STRUCT}"
    for name in ("apiVersion", "kind"):
        if not isinstance(value.get(name), str | None):
            what = json_type(value[name])
            return f"{prefix}{what} into Go struct field .{name} of type string"
    return ""


def check_head(raw: bytes, value: Any, expect: Expected) -> None:
    """Refuse a body whose kind and version cannot be read. Raises BadRequest."""
    problem = head_problem(value)
    if problem:
        problem = f"couldn't get version/kind; json parse error: {problem}"
        raise _unrecognized(raw, expect, problem)


def other_version(api_version: str, expect: Expected) -> BadRequest:
    return BadRequest(
        f"the API version in the data ({api_version}) does not match the expected API version "
        f"({expect.api_version})"
    )


def _check_kind(raw: bytes, value: Any, expect: Expected) -> None:
    """Refuse a body that is of another kind or version."""
    check_head(raw, value, expect)
    api_version = value.get("apiVersion") or expect.api_version
    if api_version.count("/") > 1:
        raise _unrecognized(raw, expect, f"unexpected GroupVersion string: {api_version}")
    kind = value.get("kind") or expect.kind
    given, wanted = (api_version, kind), (expect.api_version, expect.kind)
    if given != wanted and (given, wanted) not in _ALIASES:
        raise _another_kind(value, api_version, kind, expect)


def json_type(value: Value) -> str:
    """Return what Go calls the type of a JSON value."""
    names = {bool: "bool", str: "string", list: "array"}
    return names.get(type(value), "object" if isinstance(value, dict) else "number")


def _another_kind(value: Object, api_version: str, kind: str, expect: Expected) -> StatusError:
    group, _, version = api_version.rpartition("/")
    known = is_former(api_version, kind) or definition_of(group, version, kind) is not None
    if not known:
        why = f'no kind "{kind}" is registered for version "{api_version}" in scheme "{_SCHEME}"'
        return unhandled(expect.node, value, why)
    if kind != expect.kind:
        internal = expect.group.split(".")[0] or "core"
        why = f"converting ({version}.{kind}) to ({internal}.{expect.kind}): unknown conversion"
        return unhandled(expect.node, value, why)
    return other_version(api_version, expect)
