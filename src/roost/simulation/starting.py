"""The roles and bindings of a new cluster, made once in a process and copied from then on.

They are half of what a start takes, and but for ids and times always the same. Rule: the copies are
those that the server would have made, byte for byte; only their way into the store is shorter.
"""

from __future__ import annotations

from roost.api.values import Object, copy_of
from roost.apiserver import keys
from roost.apiserver.authorizer import bootstrap
from roost.apiserver.encoding import draft_of
from roost.apiserver.server import ApiServer
from roost.store.port import ABSENT

_PREFIX = f"{keys.ROOT}rbac.authorization.k8s.io/"
#: What the first start of this process made, in order: key and object.
_made: list[tuple[str, Object]] = []


async def grant(api: ApiServer) -> None:
    """Fill an empty cluster with the roles and bindings that all have."""
    core = api.core
    if not _made:
        before = core.store.revision()
        await bootstrap(api.client())
        page = await core.store.list(_PREFIX)
        fresh = [record for record in page.records if record.revision > before]
        fresh.sort(key=lambda record: record.revision)
        _made.extend((record.key, copy_of(record.object)) for record in fresh)
        return
    now = core.now()
    for key, obj in _made:
        group, _, version = obj["apiVersion"].rpartition("/")
        kind = core.registry.by_name(group, version, obj["kind"])
        assert kind is not None
        metadata = {**obj["metadata"], "uid": core.ids.uid(), "creationTimestamp": now}
        metadata["managedFields"] = [{**entry, "time": now} for entry in metadata["managedFields"]]
        value = {**obj, "metadata": metadata}
        await core.store.commit(key, draft_of(core.storage(kind), value), ABSENT)
