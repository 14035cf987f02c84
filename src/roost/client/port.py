"""The Client port: how everything above it talks to an API server.

Two forms: HTTP (client/http.py) and the API server's core in process. Users cannot tell which, nor
whether the server is Roost. Errors are those of roost.api.errors. Objects that come out may be shared:
copy before you change them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from roost.api.kind import Resource
from roost.api.values import Object, Value


class PatchType(StrEnum):
    """The media types of PATCH."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


class ObjectList(NamedTuple):
    """A page of a list."""

    items: Sequence[Object]
    resource_version: str
    continue_token: str = ""


class WatchEvent(NamedTuple):
    """type is ADDED, MODIFIED, DELETED or BOOKMARK (whose object holds only a resourceVersion)."""

    type: str
    object: Object


@dataclass(frozen=True, slots=True)
class Query:
    """What to list or watch. An empty namespace means all."""

    resource: Resource
    namespace: str = ""
    labels: str = ""
    fields: str = ""


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """As in meta/v1 DeleteOptions; None leaves the server's default."""

    grace_period_s: int | None = None
    propagation: str | None = None  # Foreground, Background or Orphan
    uid: str | None = None
    resource_version: str | None = None


class Client(Protocol):
    """The port. `resource_version` of list: "" is the newest, "0" is whatever is at hand."""

    async def get(
        self, resource: Resource, name: str, namespace: str = "", *, subresource: str = ""
    ) -> Object: ...

    async def list(
        self,
        query: Query,
        *,
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
    ) -> ObjectList: ...

    def watch(self, query: Query, resource_version: str) -> AsyncIterator[Sequence[WatchEvent]]:
        """Yield batches of events after `resource_version`, bookmarks included.

        After "0" comes what is there, as ADDED, and then what changes.

        Ends quietly when the server ends the watch; raises Expired when the version is gone.
        """
        ...

    async def create(
        self,
        resource: Resource,
        body: Object,
        namespace: str = "",
        *,
        name: str = "",
        subresource: str = "",
    ) -> Object:
        """Create an object, or post to a subresource of `name` (binding, eviction, token)."""
        ...  # fmt: skip

    async def update(
        self, resource: Resource, body: Object, namespace: str = "", *, subresource: str = ""
    ) -> Object: ...

    async def patch(
        self, resource: Resource, name: str, body: Value, namespace: str = "", *,
        type: PatchType = PatchType.MERGE, subresource: str = "",
        field_manager: str = "", force: bool = False,
    ) -> Object: ...  # fmt: skip

    async def delete(
        self, resource: Resource, name: str, namespace: str = "",
        options: DeleteOptions | None = None,
    ) -> Object: ...  # fmt: skip
