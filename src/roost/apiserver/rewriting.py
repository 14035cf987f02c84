"""Changes that the server itself makes to a stored object, past admission and strategy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from roost.api.errors import conflict, not_found
from roost.api.kind import Kind
from roost.api.values import Object
from roost.apiserver import keys
from roost.apiserver.core import Core, shown
from roost.apiserver.encoding import draft_of
from roost.apiserver.ownership import own
from roost.apiserver.updating import MODIFIED
from roost.store.port import Conflict, Record

_TRIES: Final = 16


async def rewrite(
    core: Core,
    kind: Kind,
    namespace: str,
    name: str,
    change: Callable[[Object], Object],
    *,
    manager: str = "",
    subresource: str = "",
    dry_run: bool = False,
) -> Record:
    """Store `change(object)`; it must return a new object and may share parts with the old one.

    With a `manager` the change is recorded as his. Raises NotFound, Conflict, or what `change` does.
    """
    key = keys.key_of(kind, namespace, name)
    for _ in range(_TRIES):
        record = await core.store.get(key)
        if record is None:
            raise not_found(kind.group, kind.plural, name)
        old = shown(kind, record)
        new = change(old)
        if new is old or new == old:
            return record
        if manager:
            new["metadata"] = dict(new["metadata"])
            own(kind, core.node(kind), old, new, subresource, manager, core.now())
        if dry_run:
            return core.unsaved(kind, key, new, record.revision)
        draft = draft_of(core.storage(kind), await core.stored(kind, new))
        try:
            return await core.store.commit(key, draft, record.revision)
        except Conflict:
            continue
    raise conflict(kind.group, kind.plural, name, MODIFIED)
