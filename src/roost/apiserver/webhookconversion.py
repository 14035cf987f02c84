"""Versions of custom resources that a webhook converts.

What shows an object is synchronous, a webhook is not: so whoever is about to show or store objects
of such a kind first has them converted together, and what came out is kept until it is asked for.
Kinds are marked by `Core.converters`; a miss is an error that names what was to be converted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from roost.api.crd.converting import Converters
from roost.api.errors import StatusError
from roost.api.kind import Kind
from roost.api.values import Object, copy_of
from roost.apiserver.admission.webhooks.hooks import endpoint_at
from roost.apiserver.admission.webhooks.port import Caller, CallFailed
from roost.apiserver.core import Core
from roost.apiserver.failures import Unclassified
from roost.store.port import Record

_TIMEOUT_S: Final = 30
_KEPT: Final = 8192
_TOGETHER: Final = 500
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


class NotConverted(StatusError):
    """An object that has not been converted yet."""

    code = 500
    reason = "InternalError"

    def __init__(self, value: Object, target: str) -> None:
        super().__init__(f"not converted to {target} yet")
        self.value = value
        self.target = target


class WebhookConversion:
    """The conversion of one definition. `client` is its webhook.clientConfig."""

    def __init__(self, core: Core, caller: Caller, client: Object) -> None:
        self._core, self._caller, self._client = core, caller, client
        self._shown: OrderedDict[tuple[Any, ...], Object] = OrderedDict()
        self._stored: dict[int, Object] = {}
        self.converters = Converters(self._inward, self._outward)

    def _inward(self, value: Object, target: str) -> Object:
        found = self._stored.pop(id(value), None)
        if found is None:
            raise NotConverted(value, target)
        return found

    def _outward(self, value: Object, target: str) -> Object:
        found = self._shown.get(_mark(value, target))
        if found is None:
            raise NotConverted(value, target)
        return found

    async def show(self, kind: Kind, records: Iterable[Record]) -> None:
        """Convert the records that are not in the form of `kind`. Raises StatusError."""
        if kind.convert is None:
            return
        missing: list[Object] = []
        for record in records:
            try:
                kind.convert.from_storage(record.object)
            except NotConverted as need:
                missing.append(need.value)
        for start in range(0, len(missing), _TOGETHER):
            part = missing[start : start + _TOGETHER]
            made = await self._call(part, kind.api_version)
            for value, other in zip(part, made, strict=True):
                self._shown[_mark(value, kind.api_version)] = other
        while len(self._shown) > max(_KEPT, 2 * len(missing)):
            self._shown.popitem(last=False)

    async def store(self, kind: Kind, value: Object) -> Object:
        """Return an object in the form in which it is stored. Raises StatusError."""
        try:
            return self._core.to_storage(kind, value)
        except NotConverted as need:
            (made,) = await self._call([need.value], need.target)
            self._stored[id(need.value)] = made
            return self._core.to_storage(kind, value)

    async def _call(self, values: Sequence[Object], target: str) -> list[Object]:
        uid = self._core.ids.uid()
        review = {
            "kind": "ConversionReview",
            "apiVersion": "apiextensions.k8s.io/v1",
            "request": {"uid": uid, "desiredAPIVersion": target, "objects": list(values)},
        }
        try:
            endpoint = await endpoint_at(self._client, self._core.lookup, _TIMEOUT_S)
            answer = await self._caller.post(endpoint, _encode(review), _TIMEOUT_S)
            return _converted(_decode(answer), uid, values, target)
        except (CallFailed, msgspec.DecodeError) as error:
            version, _, kind = _named(values[0])
            text = f"conversion webhook for {version}, Kind={kind} failed: {error}"
            raise Unclassified(text) from None


def _mark(value: Object, target: str) -> tuple[Any, ...]:
    metadata = value["metadata"]
    return (metadata.get("uid"), metadata.get("resourceVersion"), target)


def _named(value: Object) -> tuple[str, str, str]:
    return (str(value.get("apiVersion")), "/", str(value.get("kind")))


def _converted(review: Any, uid: str, values: Sequence[Object], target: str) -> list[Object]:
    """Return the objects of an answer, with their identity as it was. Raises CallFailed."""
    response = review.get("response") if isinstance(review, dict) else None
    if not isinstance(response, dict):
        raise CallFailed("expected conversion response to have a response")
    if response.get("uid") != uid:
        raise CallFailed(f'expected response.uid="{uid}", got "{response.get("uid")}"')
    result = response.get("result") or {}
    if result.get("status") != "Success":
        raise CallFailed(result.get("message") or "returned failure without a message")
    made = response.get("convertedObjects") or []
    if len(made) != len(values):
        raise CallFailed(f"webhook returned {len(made)} objects, expected {len(values)}")
    return [_restored(value, other, target) for value, other in zip(values, made, strict=True)]


def _restored(value: Object, other: Any, target: str) -> Object:
    """A webhook may change labels and annotations of metadata, and nothing else of it."""
    if not isinstance(other, dict) or other.get("apiVersion") != target:
        given = other.get("apiVersion") if isinstance(other, dict) else None
        raise CallFailed(f"webhook returned invalid converted object: {given} is not {target}")
    made = {**other, "kind": value.get("kind")}
    metadata = copy_of(value["metadata"])
    for key in ("labels", "annotations"):
        metadata.pop(key, None)
        if (other.get("metadata") or {}).get(key):
            metadata[key] = other["metadata"][key]
    made["metadata"] = metadata
    return made
