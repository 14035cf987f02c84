"""What an admission plugin is, and what it may look at.

Plugins run in one fixed list (admission/chain.py): first every `admit`, which may change
`request.object`, then every `validate`. A refusal is a StatusError (as a rule Forbidden).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from roost.api.kind import Resource
from roost.api.values import Object
from roost.apiserver.attributes import Admission


class Lookup(Protocol):
    """Current objects of the server's own store. They are shared: never change them."""

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Object | None: ...

    async def list(self, resource: Resource, namespace: str = "") -> Iterable[Object]: ...


class Plugin(Protocol):
    """One plugin. Both methods return at once for requests that do not concern it."""

    name: str

    async def admit(self, request: Admission, lookup: Lookup) -> None: ...

    async def validate(self, request: Admission, lookup: Lookup) -> None: ...
