"""The messages of the built-in kinds: which fields they have, by the names that JSON gives them.

The data file says it in one line per message (its head explains the notation). A line is read when
somebody first needs the message; which message belongs to a kind is known by the file's sections.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final, NamedTuple

FILE: Final = "v1.36.txt"
#: Kinds that every group has (DeleteOptions, Status, WatchEvent and so on) are in this package.
_META: Final = "meta.v1"
_INLINE: Final = "&"


class Field(NamedTuple):
    """One field. `type` is a scalar's name or a message's full name (core.v1.PodSpec)."""

    name: str
    number: int
    type: str
    repeated: bool = False
    mapped: bool = False  # a map from text to `type`
    inline: bool = False  # a message whose fields are its parent's in JSON

    @property
    def is_message(self) -> bool:
        return "." in self.type


class _Index(NamedTuple):
    lines: dict[str, str]  # by full message name
    packages: dict[str, str]  # by apiVersion


@cache
def _index() -> _Index:
    text = resources.files(__package__).joinpath(FILE).read_text("utf-8")
    index = _Index({}, {"v1": ""})
    package = ""
    for line in text.splitlines():
        if line.startswith("["):
            package, _, api_version = line[1:-1].partition(" ")
            index.packages[api_version] = package
        elif line and not line.startswith("#"):
            name, _, fields = line.partition(" ")
            index.lines[f"{package}.{name}"] = fields
    return index


@cache
def message_of(api_version: str, kind: str) -> str | None:
    """Return the full name of a kind's message, or None if it has none."""
    index = _index()
    package = index.packages.get(api_version)
    if package is None:
        return None
    for candidate in (f"{package}.{kind}", f"{_META}.{kind}"):
        if candidate in index.lines:
            return candidate
    return None


def fields_of(message: str) -> list[Field]:
    """Return the fields of a message. Raises KeyError if there is no such message."""
    package = message.rpartition(".")[0]
    return [_field(package, text) for text in _index().lines[message].split()]


def messages() -> list[str]:
    """Return the full names of all messages."""
    return list(_index().lines)


def _field(package: str, text: str) -> Field:
    name, number, *rest = text.split(":")
    kind = rest[0] if rest else ""
    bare = kind.removeprefix("[]").removeprefix("{}") or "string"
    if bare[0].isupper():
        bare = f"{package}.{bare}"
    return Field(
        name, int(number), bare,
        repeated=kind.startswith("[]"), mapped=kind.startswith("{}"), inline=name == _INLINE,
    )  # fmt: skip
