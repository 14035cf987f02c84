"""What an informer knows: objects by namespace and name, and indexes over them.

The cache is a `Lister`. Rule: objects in it are shared with everybody and never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from roost.api.values import Object
from roost.decisions.controller import Index

_EMPTY: Mapping[tuple[str, str], Object] = {}


class Cache:
    """The objects of one resource. Iteration is in order of insertion."""

    def __init__(self) -> None:
        self.connected = False  # the informer sets it while the server answers
        self._namespaces: dict[str, dict[str, Object]] = {}
        self._functions: dict[str, Index] = {}
        self._indexes: dict[str, dict[str, dict[tuple[str, str], Object]]] = {}

    def __len__(self) -> int:
        return sum(len(names) for names in self._namespaces.values())

    def get(self, namespace: str, name: str) -> Object | None:
        names = self._namespaces.get(namespace)
        return names.get(name) if names else None

    def all(self, namespace: str = "") -> Iterable[Object]:
        """Return all objects, or those of one namespace (a cluster resource has only "")."""
        if namespace or (len(self._namespaces) == 1 and "" in self._namespaces):
            return list(self._namespaces.get(namespace, {}).values())
        return [obj for names in self._namespaces.values() for obj in names.values()]

    def by(self, index: str, value: str) -> Iterable[Object]:
        """Return what `index` has under `value`; raises KeyError when nobody declared the index."""
        return list(self._indexes[index].get(value, _EMPTY).values())

    def keys(self) -> Iterator[tuple[str, str]]:
        for namespace, names in self._namespaces.items():
            for name in names:
                yield namespace, name

    def add_index(self, name: str, function: Index) -> None:
        """Keep an index; does nothing if there is one of that name already."""
        if name in self._functions:
            return
        self._functions[name] = function
        self._indexes[name] = {}
        for namespace, names in self._namespaces.items():
            for object_name, obj in names.items():
                self._enter(name, function, (namespace, object_name), obj)

    def put(self, obj: Object) -> Object | None:
        """Store an object and return the one it replaces."""
        metadata = obj["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        names = self._namespaces.get(namespace)
        if names is None:
            names = self._namespaces[namespace] = {}
        old = names.get(name)
        names[name] = obj
        key = (namespace, name)
        for index, function in self._functions.items():
            if old is not None:
                self._leave(index, function, key, old)
            self._enter(index, function, key, obj)
        return old

    def remove(self, namespace: str, name: str) -> Object | None:
        """Remove an object and return it."""
        names = self._namespaces.get(namespace)
        old = names.pop(name, None) if names is not None else None
        if old is None:
            return None
        if not names:
            del self._namespaces[namespace]
        for index, function in self._functions.items():
            self._leave(index, function, (namespace, name), old)
        return old

    def _enter(self, index: str, function: Index, key: tuple[str, str], obj: Object) -> None:
        buckets = self._indexes[index]
        for value in function(obj):
            bucket = buckets.get(value)
            if bucket is None:
                bucket = buckets[value] = {}
            bucket[key] = obj

    def _leave(self, index: str, function: Index, key: tuple[str, str], obj: Object) -> None:
        buckets = self._indexes[index]
        for value in function(obj):
            bucket = buckets.get(value)
            if bucket is not None:
                bucket.pop(key, None)
                if not bucket:
                    del buckets[value]
