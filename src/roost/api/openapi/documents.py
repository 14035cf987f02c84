"""OpenAPI documents as they are sent, made when they are first asked for.

A document is large and rarely wanted, so it is kept encoded and compressed, and what it was built of
is dropped. Its hash says what it depends on, not what is in it: the index, which names the hash of
every document, is made without making the documents.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from roost.api.kind import Kind
from roost.api.openapi import gnostic, gnostic3, schemas, v2, v3
from roost.api.openapi.schemas import Custom
from roost.api.registry import Registry
from roost.api.schema import document
from roost.api.values import Object

#: Changes whenever these modules write something else of the same facts.
_FORM = "1"
#: What the protobuf form of a document is kept under, after its path.
_PROTOBUF = " protobuf"


@dataclass(frozen=True, slots=True)
class Encoded:
    """A document as it is sent, and the hash that is its ETag."""

    body: bytes
    hash: str


class Documents:
    """The OpenAPI documents of a server, kept up to date with its registry."""

    def __init__(self, registry: Registry, release: str) -> None:
        self._registry = registry
        self._release = release  # e.g. v1.36.2
        self._custom: dict[str, Object] = {}
        self._kept: dict[str, tuple[str, bytes]] = {}  # path -> (hash, compressed)
        self._revision = -1
        self._hashes: dict[str, str] = {}

    def set_custom(self, definitions: Custom) -> None:
        """Give the v3 schemas of custom resources, by the definition names of their kinds."""
        self._custom = dict(definitions)
        self._revision = -1

    def v2(self) -> Encoded:
        """Return the OpenAPI v2 document."""
        facts = self._facts(self._registry.kinds())
        return self._encoded(
            "v2", facts, lambda: v2.build(self._registry, self._customs(), self._release)
        )

    def v2_protobuf(self) -> Encoded:
        """Return the OpenAPI v2 document in the form of gnostic.MEDIA_TYPE."""
        found = self.v2()
        digest = hashlib.sha512(f"{found.hash} protobuf".encode()).hexdigest().upper()
        return self._kept_or_made(
            "v2 protobuf", digest, lambda: gnostic.document(msgspec.json.decode(found.body))
        )

    def index(self) -> bytes:
        """Return the document of /openapi/v3: where each document is, with its hash."""
        return msgspec.json.encode(
            {
                "paths": {
                    path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
                    for path, digest in sorted(self._known().items())
                }
            }
        )

    def v3(self, path: str) -> Encoded | None:
        """Return the document at /openapi/v3/PATH, e.g. apis/apps/v1; None if there is none."""
        digest = self._known().get(path)
        if digest is None:
            return None
        return self._encoded(path, digest, lambda: self._build(path))

    def v3_protobuf(self, path: str) -> Encoded | None:
        """Return the document at /openapi/v3/PATH in the form of gnostic3.MEDIA_TYPE; it has the hash
        of the other form.
        """
        found = self.v3(path)
        if found is None:
            return None
        return self._kept_or_made(
            f"{path}{_PROTOBUF}",
            found.hash,
            lambda: gnostic3.document(msgspec.json.decode(found.body)),
        )

    def _build(self, path: str) -> Object:
        root, _, rest = path.partition("/")
        if root == "version":
            return v3.version(self._release)
        if root == "api":
            group, version = "", rest
        else:
            group, _, version = rest.partition("/")
            if not group:
                return v3.groups(self._release)
        if not version:
            return v3.group(group, self._release)
        return v3.group_version(self._registry, self._customs(), group, version, self._release)

    def _known(self) -> dict[str, str]:
        """Return the hash of every v3 document by path."""
        if self._revision != self._registry.revision:
            kinds: dict[str, list[Kind]] = {"api": [], "apis": [], "version": []}
            for kind in self._registry.kinds():
                root = f"apis/{kind.group}" if kind.group else "api"
                kinds.setdefault(root, [])
                kinds.setdefault(f"{root}/{kind.version}", []).append(kind)
            self._hashes = {path: self._facts(found, path) for path, found in kinds.items()}
            self._revision = self._registry.revision
            self._kept = {
                p: kept
                for p, kept in self._kept.items()
                if p.removesuffix(_PROTOBUF) in self._hashes
            }
        return self._hashes

    def _facts(self, kinds: Iterable[Kind], path: str = "") -> str:
        """Return the hash of all that a document of these kinds depends on."""
        digest = hashlib.sha512(f"{_FORM} {self._release} {document.FILE} {path}".encode())
        for kind in kinds:
            # Whatever of a kind a document shows; hooks have no stable text, and do not show.
            digest.update(
                repr((kind.group, kind.version, kind.name, kind.plural, kind.namespaced,
                      kind.schema, kind.verbs, kind.returns_deleted,
                      sorted(kind.subresources.items()))).encode()
            )  # fmt: skip
            if kind.schema in self._custom:
                digest.update(msgspec.json.encode(self._custom[kind.schema], order="sorted"))
        return digest.hexdigest().upper()

    def _customs(self) -> Custom:
        """Return the definitions of custom resources and of their lists."""
        made = dict(self._custom)
        for kind in self._registry.kinds():
            if kind.schema in self._custom:
                made[kind.list_schema] = schemas.list_schema(kind)
        return made

    def _encoded(self, key: str, digest: str, build: Callable[[], Object]) -> Encoded:
        return self._kept_or_made(key, digest, lambda: msgspec.json.encode(build()))

    def _kept_or_made(self, key: str, digest: str, make: Callable[[], bytes]) -> Encoded:
        kept = self._kept.get(key)
        if kept is not None and kept[0] == digest:
            return Encoded(zlib.decompress(kept[1]), digest)
        body = make()
        self._kept[key] = (digest, zlib.compress(body, 6))
        return Encoded(body, digest)
