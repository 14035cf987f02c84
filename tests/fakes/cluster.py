"""A cluster in memory that satisfies the Client port, for tests of what sits above the port.

It knows resource versions, uids, generations, generated names, status subresources, finalizers,
preconditions, merge patches, bindings, watches from a version, and compaction. It validates nothing.
tests/contracts/test_fake_cluster.py says what it promises.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from roost.api.errors import Conflict, Expired, StatusError, already_exists, conflict, not_found
from roost.api.kind import Resource
from roost.api.selectors import parse_labels
from roost.api.values import Object, Value, copy_of
from roost.client.port import DeleteOptions, ObjectList, PatchType, Query, WatchEvent
from roost.decisions.meta import stamp


class FixedClock:
    """A wall clock that follows the loop's, from a fixed start."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self.start = start
        self.offset = 0.0

    def now(self) -> float:
        try:
            return self.start + self.offset + asyncio.get_running_loop().time()
        except RuntimeError:
            return self.start + self.offset


class NoChance:
    """Chance that always falls the same way, except in names."""

    def __init__(self) -> None:
        self._count = 0

    def uniform(self) -> float:
        return 0.0

    def suffix(self, length: int) -> str:
        self._count += 1
        return f"{self._count:0{length}d}"


def merge(target: Value, patch: Value) -> Value:
    """Apply a JSON merge patch."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def _merge_conditions(old: Object, body: Object) -> None:
    """Merge status.conditions by type, the one list that tests patch strategically."""
    status = body.get("status") or {}
    if "conditions" in status:
        kept = {c["type"]: c for c in (old.get("status") or {}).get("conditions") or ()}
        for condition in status["conditions"]:
            kept[condition["type"]] = {**kept.get(condition["type"], {}), **condition}
        status["conditions"] = list(kept.values())


Hook = Callable[[str, Resource, Object], None]


class Cluster:
    """See the module. `before(verb, resource, body)` may raise to refuse a request."""

    def __init__(self, clock: FixedClock | None = None) -> None:
        self.clock = clock or FixedClock()
        self.before: Hook = lambda verb, resource, body: None
        self.requests: list[tuple[str, str]] = []
        self.delay_s = 0.0  # how far watches lag behind
        self._objects: dict[Resource, dict[tuple[str, str], Object]] = {}
        self._log: list[tuple[int, Resource, WatchEvent]] = []
        self._compacted = 0
        self._version = 100
        self._names = 0
        self._uids = 0
        self._moved = asyncio.Event()

    # What tests say and ask directly.

    def add(self, resource: Resource, body: Object) -> Object:
        """Store an object as if somebody had created it."""
        return self._create(resource, copy_of(body), body["metadata"].get("namespace", ""))

    def change(self, resource: Resource, name: str, namespace: str, patch: Object) -> Object:
        """Merge into an object, status included."""
        old = self._find(resource, name, namespace)
        return self._store(resource, merge(old, patch), old)

    def find(self, resource: Resource, name: str, namespace: str = "") -> Object | None:
        return self._objects.get(resource, {}).get((namespace, name))

    def all(self, resource: Resource) -> list[Object]:
        return list(self._objects.get(resource, {}).values())

    def remove(self, resource: Resource, name: str, namespace: str = "") -> None:
        self._drop(resource, self._find(resource, name, namespace))

    def compact(self) -> None:
        """Forget history: a watch from an earlier version raises Expired."""
        self._compacted = self._version
        self._log.clear()
        self._bump()

    # The port.

    async def get(
        self, resource: Resource, name: str, namespace: str = "", *, subresource: str = ""
    ) -> Object:
        self._ask("get", resource, {})
        return self._find(resource, name, namespace)

    async def list(
        self,
        query: Query,
        *,
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
    ) -> ObjectList:
        self._ask("list", query.resource, {})
        items = [obj for obj in self.all(query.resource) if self._wanted(query, obj)]
        start = int(continue_token or 0)
        page = items[start : start + limit] if limit else items
        rest = start + len(page) < len(items)
        token = str(start + len(page)) if rest else ""
        return ObjectList(page, str(self._version), token)

    async def watch(
        self, query: Query, resource_version: str
    ) -> AsyncIterator[Sequence[WatchEvent]]:
        self._ask("watch", query.resource, {})
        seen = int(resource_version)
        while True:
            if seen < self._compacted:
                raise Expired(f"too old resource version: {seen} ({self._compacted})")
            moved = self._moved
            batch = [
                event
                for version, resource, event in self._log
                if version > seen and resource == query.resource
            ]
            seen = self._version
            wanted = [event for event in batch if self._wanted(query, event.object)]
            if wanted:
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                yield wanted
            else:
                await moved.wait()

    async def create(
        self,
        resource: Resource,
        body: Object,
        namespace: str = "",
        *,
        name: str = "",
        subresource: str = "",
    ) -> Object:
        self._ask(f"create {subresource}".strip(), resource, body)
        await asyncio.sleep(0)
        if subresource == "binding":
            return self._bind(resource, name, namespace, body)
        if subresource:
            return copy_of(body)
        return self._create(resource, copy_of(body), namespace)

    async def update(
        self, resource: Resource, body: Object, namespace: str = "", *, subresource: str = ""
    ) -> Object:
        self._ask(f"update {subresource}".strip(), resource, body)
        await asyncio.sleep(0)
        metadata = body["metadata"]
        old = self._find(resource, metadata["name"], namespace)
        self._check(resource, old, metadata.get("uid"), metadata.get("resourceVersion"))
        return self._replace(resource, old, copy_of(body), subresource)

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Value,
        namespace: str = "",
        *,
        type: PatchType = PatchType.MERGE,
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Object:
        self._ask(f"patch {subresource}".strip(), resource, body)
        await asyncio.sleep(0)
        old = self._find(resource, name, namespace)
        metadata = body.get("metadata") or {}
        self._check(resource, old, metadata.get("uid"), metadata.get("resourceVersion"))
        body = copy_of(body)
        if type == PatchType.STRATEGIC:
            _merge_conditions(old, body)
        return self._replace(resource, old, merge(copy_of(old), body), subresource)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        options: DeleteOptions | None = None,
    ) -> Object:
        self._ask("delete", resource, {"metadata": {"name": name}})
        await asyncio.sleep(0)
        options = options or DeleteOptions()
        old = self._find(resource, name, namespace)
        self._check(resource, old, options.uid, options.resource_version)
        metadata = dict(old["metadata"])
        finalizers = list(metadata.get("finalizers") or [])
        wanted = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(
            options.propagation or ""
        )
        if wanted and wanted not in finalizers:
            finalizers.append(wanted)
        graceful = (
            resource.plural == "pods"
            and options.grace_period_s != 0
            and old["spec"].get("nodeName")
        )
        if not finalizers and not graceful:
            self._drop(resource, old)
            return old
        if "deletionTimestamp" in metadata and finalizers == (metadata.get("finalizers") or []):
            return old
        metadata.setdefault("deletionTimestamp", stamp(self.clock.now()))
        if finalizers:
            metadata["finalizers"] = finalizers
        return self._store(resource, {**old, "metadata": metadata}, old)

    # How it works.

    def _ask(self, verb: str, resource: Resource, body: Object) -> None:
        self.requests.append((verb, resource.plural))
        self.before(verb, resource, body)

    def _find(self, resource: Resource, name: str, namespace: str) -> Object:
        found = self.find(resource, name, namespace)
        if found is None:
            raise not_found(resource.group, resource.plural, name)
        return found

    def _check(self, resource: Resource, old: Object, uid: str | None, version: str | None) -> None:
        metadata = old["metadata"]
        if uid and uid != metadata["uid"]:
            raise Conflict(f"the UID in the precondition ({uid}) does not match")
        if version and version != metadata["resourceVersion"]:
            why = "the object has been modified; please apply your changes to the latest version"
            raise conflict(resource.group, resource.plural, metadata["name"], why)

    def _wanted(self, query: Query, obj: Object) -> bool:
        metadata = obj["metadata"]
        if query.namespace and metadata.get("namespace") != query.namespace:
            return False
        return parse_labels(query.labels).matches(metadata.get("labels"))

    def _create(self, resource: Resource, body: Object, namespace: str) -> Object:
        metadata = body["metadata"]
        if not metadata.get("name"):
            self._names += 1
            metadata["name"] = f"{metadata['generateName']}{self._names:05d}"
        if namespace:
            metadata["namespace"] = namespace
        if self.find(resource, metadata["name"], namespace) is not None:
            raise already_exists(resource.group, resource.plural, metadata["name"])
        self._uids += 1
        metadata.setdefault("uid", f"uid-{self._uids}")
        metadata.setdefault("creationTimestamp", stamp(self.clock.now()))
        metadata["generation"] = 1
        if resource.plural == "pods":
            body.setdefault("status", {}).setdefault("phase", "Pending")
        return self._store(resource, body, None)

    def _replace(self, resource: Resource, old: Object, new: Object, subresource: str) -> Object:
        if subresource == "status":
            metadata = {**old["metadata"], "annotations": new["metadata"].get("annotations")}
            if metadata["annotations"] is None:
                del metadata["annotations"]
            new = {**old, "metadata": metadata, "status": new.get("status")}
        elif "status" in old:
            new = {**new, "status": old["status"]}
        metadata = new["metadata"] = dict(new["metadata"])
        if subresource == "finalize" and not new["spec"].get("finalizers"):
            self._drop(resource, old)
            return new
        if new.get("spec") != old.get("spec"):
            metadata["generation"] = old["metadata"].get("generation", 0) + 1
        ends = "deletionTimestamp" in metadata and not metadata.get("finalizers")
        if ends and subresource != "status" and resource.plural != "pods":
            self._drop(resource, old)
            return new
        return self._store(resource, new, old)

    def _bind(self, resource: Resource, name: str, namespace: str, body: Object) -> Object:
        old = self._find(resource, name, namespace)
        if old["spec"].get("nodeName"):
            raise conflict("", "pods", name, "pod is already assigned to a node")
        spec = {**old["spec"], "nodeName": body["target"]["name"]}
        self._store(resource, {**old, "spec": spec}, old)
        return {"kind": "Status", "status": "Success"}

    def _store(self, resource: Resource, new: Object, old: Object | None) -> Object:
        if old is not None:
            bare = {k: v for k, v in new["metadata"].items() if k != "resourceVersion"}
            if {**new, "metadata": bare} == {
                **old,
                "metadata": {k: v for k, v in old["metadata"].items() if k != "resourceVersion"},
            }:
                return old
        metadata = new["metadata"]
        self._version += 1
        new = {**new, "metadata": {**metadata, "resourceVersion": str(self._version)}}
        key = (metadata.get("namespace", ""), metadata["name"])
        self._objects.setdefault(resource, {})[key] = new
        kind = "ADDED" if old is None else "MODIFIED"
        self._log.append((self._version, resource, WatchEvent(kind, new)))
        self._bump()
        return new

    def _drop(self, resource: Resource, old: Object) -> None:
        metadata = old["metadata"]
        del self._objects[resource][(metadata.get("namespace", ""), metadata["name"])]
        self._version += 1
        gone = {**old, "metadata": {**metadata, "resourceVersion": str(self._version)}}
        self._log.append((self._version, resource, WatchEvent("DELETED", gone)))
        self._bump()

    def _bump(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()


def refuse(error: StatusError, verb: str, plural: str) -> Hook:
    """Return a hook that refuses one verb on one resource."""

    def hook(asked: str, resource: Resource, _body: Object) -> None:
        if asked == verb and resource.plural == plural:
            raise error

    return hook
