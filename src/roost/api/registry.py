"""The registry: which kinds are served, and where they are.

`builtin()` is a v1.36 server as it comes; kinds of CustomResourceDefinitions are added and removed at
run time. `revision` grows with every change, so that what is derived from the registry (discovery,
OpenAPI) can be cached by it. Rule: orders are those that clients see in discovery: groups as the
aggregation layer ranks them, versions from the most to the least stable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from roost.api.groups import ALL_KINDS, GROUP_ORDER
from roost.api.kind import Kind, Resource

_VERSION = re.compile(r"^v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?$")
_STABILITY = {"alpha": 0, "beta": 1, None: 2}
_GROUP_RANK = {group: rank for rank, group in enumerate(GROUP_ORDER)}


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Return the sort key of a version name: v2 < v1 < v1beta1 < v1alpha1 < foo10 < foo9."""
    match = _VERSION.match(version)
    if match is None:
        return (1, 0, 0, version)
    major, stability, minor = match.groups()
    return (-_STABILITY[stability], -int(major), -int(minor or 0), version)


def _group_rank(group: str) -> tuple[int, str]:
    return (_GROUP_RANK.get(group, len(_GROUP_RANK)), group)


class Registry:
    """The kinds a server serves, by address and by name."""

    def __init__(self, kinds: Iterable[Kind] = ()) -> None:
        #: (group, version, plural) -> kind
        self._by_address: dict[tuple[str, str, str], Kind] = {}
        self._by_name: dict[tuple[str, str, str], Kind] = {}
        #: Grows with every change.
        self.revision = 0
        self.add(kinds)

    def add(self, kinds: Iterable[Kind]) -> None:
        """Serve `kinds`; one that has the address of another takes its place."""
        for kind in kinds:
            self._drop(kind.resource)
            self._by_address[kind.group, kind.version, kind.plural] = kind
            self._by_name[kind.group, kind.version, kind.name] = kind
        self.revision += 1

    def remove(self, resources: Iterable[Resource]) -> None:
        """Serve these no longer; unknown addresses are ignored."""
        for resource in resources:
            self._drop(resource)
        self.revision += 1

    def _drop(self, resource: Resource) -> None:
        address = (resource.group, resource.version, resource.plural)
        kind = self._by_address.pop(address, None)
        if kind is not None:
            self._by_name.pop((kind.group, kind.version, kind.name), None)

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """Return the kind at a path's address."""
        return self._by_address.get((group, version, plural))

    def by_name(self, group: str, version: str, kind_name: str) -> Kind | None:
        """Return the kind that an object's apiVersion and kind name."""
        return self._by_name.get((group, version, kind_name))

    def kinds(self) -> Iterator[Kind]:
        """Return every kind, ordered by group, version and plural."""
        return iter(
            sorted(
                self._by_address.values(),
                key=lambda k: (_group_rank(k.group), version_rank(k.version), k.plural),
            )
        )

    def groups(self) -> list[str]:
        """Return the names of the served groups in discovery order, the core group ("") first."""
        return sorted({group for group, _, _ in self._by_address}, key=_group_rank)

    def versions(self, group: str) -> list[str]:
        """Return the served versions of a group, the preferred one first; [] if there is none."""
        served = {version for named, version, _ in self._by_address if named == group}
        return sorted(served, key=version_rank)

    def preferred(self, group: str, plural: str) -> Kind | None:
        """Return the kind of a resource in the first version of its group that has it."""
        for version in self.versions(group):
            kind = self.find(group, version, plural)
            if kind is not None:
                return kind
        return None

    def storage_kind(self, kind: Kind) -> Kind:
        """Return the kind whose form `kind` is stored in: itself, if it has no other."""
        group = kind.group if kind.storage_group is None else kind.storage_group
        version = kind.version if kind.storage_version is None else kind.storage_version
        found = self.find(group, version, kind.plural)
        # The version that custom resources are stored in need not be served.
        return found or replace(kind, group=group, version=version, convert=None)


def builtin() -> Registry:
    """Return a new registry of every kind that a v1.36 server serves by default."""
    return Registry(ALL_KINDS)
