"""OpenAPI v2 of this server with what extension servers say of themselves. Pure.

Rule: of a server's document counts what is below the path of its group version, and what that refers to.
What both have and say alike is one; what they say differently gets another name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any, Final

from roost.api.values import Object, Value

#: The parts of a document that others refer to by name.
_SHARED: Final = ("definitions", "parameters")
_KINDS: Final = "x-kubernetes-group-version-kind"
_REF: Final = "$ref"


def merged(own: Object, others: Iterable[tuple[str, Object]]) -> Object:
    """Return a document with those of others, each with the path below which it counts."""
    made = {**own, "paths": dict(own.get("paths") or {})}
    for part in _SHARED:
        if own.get(part):
            made[part] = dict(own[part])
    for path, document in others:
        _add(made, document, f"{path}/")
    made["paths"] = dict(sorted(made["paths"].items()))
    return made


def _add(made: Object, document: Object, prefix: str) -> None:
    paths = {
        path: item
        for path, item in _part(document, "paths").items()
        if path.startswith(prefix) and path not in made["paths"]
    }
    used = _used(document, paths)
    if not paths:
        return
    names: dict[str, str] = {}
    for part in _SHARED:
        there = made.setdefault(part, {}) if used[part] else {}
        for name, value in used[part].items():
            names[f"#/{part}/{name}"] = f"#/{part}/{_name(there, used[part], name, value)}"
    for part in _SHARED:
        for name, value in used[part].items():
            new = names[f"#/{part}/{name}"].rpartition("/")[2]
            made[part][new] = _joined(made[part].get(new), _renamed(value, names))
    made["paths"].update((path, _renamed(item, names)) for path, item in paths.items())


def _part(document: Object, name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _used(document: Object, paths: Value) -> dict[str, dict[str, Any]]:
    """Return of each shared part what paths refer to, directly or not."""
    used: dict[str, dict[str, Any]] = {part: {} for part in _SHARED}
    pending = [paths]
    while pending:
        for reference in tuple(_references(pending.pop())):
            _, _, rest = reference.partition("#/")
            part, _, name = rest.partition("/")
            if part in used and name not in used[part] and name in _part(document, part):
                used[part][name] = document[part][name]
                pending.append(used[part][name])
    return used


def _references(value: Value) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get(_REF), str):
            yield value[_REF]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _name(there: Mapping[str, Any], mine: Mapping[str, Any], name: str, value: Value) -> str:
    """Return under which name a value is to be had: its own, or the first that says something else
    of nobody.
    """
    if name not in there or _alike(there[name], value):
        return name
    for number in count(2):
        new = f"{name}_v{number}"
        if new not in mine and (new not in there or _alike(there[new], value)):
            return new
    raise AssertionError  # numbers do not end


def _alike(one: Value, other: Value) -> bool:
    """Do two say the same, but for the kinds that they are said of?"""
    return bool(_without_kinds(one) == _without_kinds(other))


def _without_kinds(value: Value) -> Value:
    if not isinstance(value, dict):
        return value
    return {key: item for key, item in value.items() if key != _KINDS}


def _joined(there: Value, value: Value) -> Value:
    """Return what is there with the kinds of another that says the same."""
    if not isinstance(there, dict):
        return value
    kinds = _kinds(there)
    more = [kind for kind in _kinds(value) if kind not in kinds]
    return {**there, _KINDS: [*kinds, *more]} if more else there


def _kinds(value: Object) -> list[Value]:
    found = value.get(_KINDS)
    return found if isinstance(found, list) else []


def _renamed(value: Value, names: Mapping[str, str]) -> Value:
    if isinstance(value, dict):
        return {
            key: names.get(item, item)
            if key == _REF and isinstance(item, str)
            else _renamed(item, names)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    return value
