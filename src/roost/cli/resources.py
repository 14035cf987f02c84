"""Names as people type them (`po`, `deploy/web`, `deployments.apps`), resolved by discovery."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.kind import Resource
from roost.api.values import Object
from roost.client.http import HttpClient

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class UsageError(Exception):
    """What was typed cannot be carried out; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Served:
    """One resource that a server offers."""

    resource: Resource
    kind: str
    singular: str
    short_names: tuple[str, ...]
    categories: tuple[str, ...]
    namespaced: bool
    verbs: tuple[str, ...]

    def names(self) -> set[str]:
        return {self.resource.plural, self.singular, self.kind.lower(), *self.short_names}


class Discovery:
    """All that a server offers, best version first."""

    def __init__(self, served: list[Served]) -> None:
        self.served = served

    @classmethod
    async def fetch(cls, client: HttpClient) -> Discovery:
        served: list[Served] = []
        for path in ("/api", "/apis"):
            document = await client.request("GET", path, accept=_AGGREGATED)
            for group in document.get("items", ()):
                served += _of_group(group)
        return cls(served)

    def find(self, text: str) -> Served:
        """Return what `text` names: a plural, singular, short name or kind, perhaps with `.group`.

        Raises UsageError.
        """
        name, _, group = text.lower().partition(".")
        for item in self.served:
            named = f"{item.resource.version}.{item.resource.group}"
            if name in item.names() and group in ("", item.resource.group, named):
                return item
        raise UsageError(f'the server doesn\'t have a resource type "{text}"')

    def category(self, text: str) -> list[Served]:
        """Return the resources of a category such as `all`, each once."""
        found: dict[tuple[str, str], Served] = {}
        for item in self.served:
            if text in item.categories:
                found.setdefault((item.resource.group, item.resource.plural), item)
        return list(found.values())

    def kind(self, api_version: str, kind: str) -> Served:
        """Return the resource of an object's apiVersion and kind. Raises UsageError."""
        for item in self.served:
            if item.kind == kind and item.resource.api_version == api_version:
                return item
        raise UsageError(f'no matches for kind "{kind}" in version "{api_version}"')


def _of_group(group: Object) -> Iterable[Served]:
    name = group.get("metadata", {}).get("name", "")
    for version in group.get("versions", ()):
        for item in version.get("resources", ()):
            yield Served(
                Resource(name, version["version"], item["resource"]),
                item["responseKind"]["kind"],
                item.get("singularResource", ""),
                tuple(item.get("shortNames", ())),
                tuple(item.get("categories", ())),
                item.get("scope") == "Namespaced",
                tuple(item.get("verbs", ())),
            )


@dataclass(frozen=True, slots=True)
class Target:
    """What a command is about: a resource, and a name if one was given."""

    served: Served
    name: str = ""


def parse_targets(discovery: Discovery, words: list[str]) -> list[Target]:
    """Return what `TYPE`, `TYPE NAME...`, `TYPE,TYPE` or `TYPE/NAME ...` name. Raises UsageError."""
    if not words:
        raise UsageError("say what: a resource type such as pods, or TYPE/NAME")
    if any("/" in word for word in words):
        if not all("/" in word for word in words):
            raise UsageError("give either TYPE NAME... or TYPE/NAME..., not both")
        pairs = [word.split("/") for word in words]
        for word, pair in zip(words, pairs, strict=True):
            if len(pair) != 2 or not all(pair):
                raise UsageError(f"{word}: say TYPE/NAME, one type and one name")
        return [Target(discovery.find(kind), name) for kind, name in pairs]
    found: list[Served] = []
    for text in words[0].split(","):
        found += discovery.category(text) or [discovery.find(text)]
    names = words[1:]
    return [Target(item, name) for item in found for name in names] or [Target(x) for x in found]
