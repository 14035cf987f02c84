"""Discovery and OpenAPI as documents at their paths, each encoded once per state of the registry."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from roost.api import discovery
from roost.api.openapi import gnostic, gnostic3
from roost.api.openapi.documents import Documents, Encoded
from roost.api.protobuf import objects
from roost.api.registry import Registry
from roost.api.values import Object
from roost.apiserver.aggregation.describing import merged
from roost.apiserver.aggregation.merging import (
    Elsewhere,
    aggregated_group,
    by_group,
    group_document,
)
from roost.apiserver.encoding import decode, encode, to_yaml
from roost.apiserver.messages import JSON, TEXT, YAML, Answer, Request
from roost.apiserver.negotiation import PROTOBUF, most_wanted, negotiate
from roost.apiserver.options import parse_query

#: Aggregated discovery is asked for with such parameters; what follows them says which version.
_AGGREGATED: Final = "as=APIGroupDiscoveryList"
#: Of a document whose hash the client knows: it never changes (in a year, which is long enough).
_FOR_EVER: Final = ("Cache-Control", "public, immutable, max-age=31536000")
_OPENAPI: Final = ("/openapi/v2", "/openapi/v3", "/openapi/v3/")


class Discovery:
    """Answers /api, /apis, /openapi and what is below them, None where there is no document."""

    def __init__(
        self,
        registry: Registry,
        release: str,
        elsewhere: Callable[[], Sequence[Elsewhere]] = tuple,
    ) -> None:
        self._registry = registry
        self._elsewhere = elsewhere
        self.documents = Documents(registry, release)
        self.server_address = ""
        self._state: tuple[int, Sequence[Elsewhere]] = (-1, ())
        self._encoded: dict[tuple[str, str], bytes] = {}
        self._tags: dict[tuple[str, str], str] = {}

    def answer(self, request: Request, path: str) -> Answer | None:
        """Return the answer at a path, or None if nothing is there."""
        if path.startswith("/openapi"):
            return self._openapi(request, path)
        parts = path.split("/")[1:]
        build = self._builder(parts)
        if build is None:
            return None
        accept = request.headers.get("accept", "")
        if len(parts) == 1 and _AGGREGATED in accept:
            version = _wanted_version(accept)
            if version:
                core = parts[0] == "api"
                body = self._cached(path, version, lambda: self._aggregated(version, core=core))
                found = Encoded(body, self._tag(path, version, body))
                return _document(request, found, discovery.aggregated_media_type(version))
        media = negotiate(accept, "discovery").media
        return Answer(200, self._cached(path, media, build), media)

    def paths(self) -> list[str]:
        """Return the paths of all documents, as the root of the server lists them."""
        groups = [entry["name"] for entry in self._groups()["groups"]]
        versions = [
            version["groupVersion"]
            for entry in self._groups()["groups"]
            for version in entry["versions"]
        ]
        below = [f"/apis/{name}" for name in (*groups, *versions)]
        return ["/api", "/api/v1", "/apis", "/apis/", *below, *_OPENAPI]

    def _builder(self, parts: list[str]) -> Callable[[], Object] | None:
        registry = self._registry
        if parts == ["api"]:
            return lambda: discovery.api_versions(self.server_address)
        if parts == ["apis"]:
            return self._groups
        if len(parts) in (2, 3) and parts[0] == "apis" and not registry.versions(parts[1]):
            return self._others(parts[1], parts[2:])
        if len(parts) == 2 and parts[0] == "api":
            return _if_found(lambda: discovery.resource_list(registry, "", parts[1]))
        if len(parts) == 2 and parts[0] == "apis":
            return _if_found(lambda: discovery.group(registry, parts[1]))
        if len(parts) == 3 and parts[0] == "apis" and parts[1]:
            return _if_found(lambda: discovery.resource_list(registry, parts[1], parts[2]))
        return None

    def _groups(self) -> Object:
        document = discovery.group_list(self._registry)
        others = by_group(self._elsewhere())
        return {
            **document,
            "groups": [
                *document["groups"],
                *(group_document(name, found) for name, found in others.items()),
            ],
        }

    def _aggregated(self, version: str, *, core: bool) -> Object:
        document = discovery.aggregated(self._registry, version, core=core)
        others = {} if core else by_group(self._elsewhere())
        items = [aggregated_group(name, found) for name, found in others.items()]
        return {**document, "items": [*document["items"], *items]} if items else document

    def _others(self, group: str, rest: list[str]) -> Callable[[], Object] | None:
        """Return how to build the document of a group, or a version of it, that others serve."""
        found = by_group(self._elsewhere()).get(group)
        if not found:
            return None
        if not rest:
            head = {"kind": "APIGroup", "apiVersion": "v1"}
            return lambda: {**head, **group_document(group, found)}
        version = next((each for each in found if each.version == rest[0]), None)
        return None if version is None else lambda: version.resources

    def _cached(
        self,
        path: str,
        form: str,
        build: Callable[[], Object],
        protobuf: Callable[[Object], bytes] | None = None,
    ) -> bytes:
        state = (self._registry.revision, self._elsewhere())
        if self._state != state:
            self._state = state
            self._encoded.clear()
            self._tags.clear()
        body = self._encoded.get((path, form))
        if body is None:
            document = build()
            if form == PROTOBUF and protobuf is not None:
                body = protobuf(document)
            elif form == PROTOBUF:
                # The oldest documents, of the group without a name, do not say their version.
                body = objects.encode({"apiVersion": "v1", **document})
            elif form == YAML:
                body = to_yaml(document)
            else:
                body = encode(document)
            self._encoded[path, form] = body
        return body

    def _tag(self, path: str, form: str, body: bytes) -> str:
        """Return the ETag of a document that `_cached` has just returned."""
        tag = self._tags.get((path, form))
        if tag is None:
            tag = self._tags[path, form] = hashlib.sha512(body).hexdigest().upper()
        return tag

    def _openapi_index(self) -> bytes:
        index = self.documents.index()
        described = [each for each in self._elsewhere() if each.described]
        if not described:
            return index
        document = decode(index)
        for each in described:
            # Without a hash in its URL the document is asked for each time: only its server knows it.
            path = each.openapi_path
            document["paths"][path] = {"serverRelativeURL": f"/openapi/v3/{path}"}
        return encode(document)

    def _v2(self, *, plain: bool) -> Encoded:
        """Return the OpenAPI v2 document of this server and of extension servers, as JSON if `plain`,
        else as protobuf.
        """
        others = [
            (f"/{each.openapi_path}", each.openapi) for each in self._elsewhere() if each.openapi
        ]
        if not others:
            return self.documents.v2() if plain else self.documents.v2_protobuf()
        own = self.documents.v2()
        key, form = f"/openapi/v2 {own.hash}", JSON if plain else PROTOBUF
        try:
            body = self._cached(
                key, form, lambda: merged(decode(own.body), others), gnostic.document
            )
        except (TypeError, AttributeError, KeyError, ValueError, RecursionError):
            # What others say makes no sense: that must not keep anybody from reading ours.
            return own if plain else self.documents.v2_protobuf()
        return Encoded(body, self._tag(key, form, body))

    def _openapi(self, request: Request, path: str) -> Answer | None:
        if path == "/openapi/v3":
            return Answer(200, self._openapi_index(), TEXT)
        accept = request.headers.get("accept", "")
        if path == "/openapi/v2":
            media = most_wanted(accept, (JSON, gnostic.WANTED, gnostic.MEDIA_TYPE))
            if not media:
                return _no_such_form()
            plain = media == JSON
            return _document(request, self._v2(plain=plain), JSON if plain else gnostic.MEDIA_TYPE)
        if path.startswith("/openapi/v3/"):
            name = path.removeprefix("/openapi/v3/")
            media = most_wanted(accept, (JSON, gnostic3.MEDIA_TYPE, gnostic3.WANTED))
            if not media:
                return _no_such_form()
            found = self.documents.v3(name) if media == JSON else self.documents.v3_protobuf(name)
            if found is None:
                return Answer(404, b"", "")
            return _hashed(request, name, found, JSON if media == JSON else gnostic3.MEDIA_TYPE)
        return None


def _no_such_form() -> Answer:
    return Answer(406, b"", "", (("Vary", "Accept"),))


def _hashed(request: Request, name: str, found: Encoded, media: str) -> Answer:
    """Return a document that may be kept for ever by those who know its hash; to those who have an
    old one, where the document of now is."""
    wanted = parse_query(request.query).get("hash", "")
    if wanted and wanted != found.hash:
        place = f"/openapi/v3/{name}?hash={found.hash}"
        headers = (("Etag", f'"{found.hash}"'), ("Location", place), ("Vary", "Accept"))
        return Answer(301, b"", JSON, headers)
    answer = _document(request, found, media)
    if wanted:
        answer.headers += (_FOR_EVER,)
    return answer


def _if_found(build: Callable[[], Object | None]) -> Callable[[], Object] | None:
    found = build()
    return None if found is None else lambda: found


def _wanted_version(accept: str) -> str:
    """Return the first aggregated version that a client takes and we have, "" for none."""
    for part in accept.split(","):
        params = {piece.strip() for piece in part.split(";")[1:]}
        if _AGGREGATED in params and "g=apidiscovery.k8s.io" in params:
            for version in discovery.AGGREGATED_VERSIONS:
                if f"v={version}" in params:
                    return version
    return ""


def _document(request: Request, found: Encoded, media: str = JSON) -> Answer:
    tag = f'"{found.hash}"'
    headers = (("Etag", tag), ("Vary", "Accept"))
    if request.headers.get("if-none-match") == tag:
        return Answer(304, b"", media, headers)
    return Answer(200, found.body, media, headers)
