"""Authenticating proxies: what the headers of a request say about who asks. Pure.

They count only when the connection's certificate is one of the proxies'; see
roost.apiserver.authenticator.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from roost.apiserver.access.identity import AUTHENTICATED, with_group
from roost.apiserver.attributes import User


@dataclass(frozen=True, slots=True)
class HeaderNames:
    """In which headers a proxy says what, all in lower case."""

    users: tuple[str, ...] = ("x-remote-user",)
    uids: tuple[str, ...] = ("x-remote-uid",)
    groups: tuple[str, ...] = ("x-remote-group",)
    extra_prefixes: tuple[str, ...] = ("x-remote-extra-",)


def header_names(text: str) -> tuple[str, ...]:
    """Read names by comma."""
    return tuple(part.strip().lower() for part in text.split(",") if part.strip())


def user_of(names: HeaderNames, headers: Iterable[tuple[str, str]]) -> User | None:
    """Return the user whom headers name, None if they name nobody."""
    lower = [(name.lower(), value.strip()) for name, value in headers]
    user = _first(names.users, lower)
    if not user:
        return None
    groups = tuple(value for wanted in names.groups for name, value in lower if name == wanted)
    extra: dict[str, tuple[str, ...]] = {}
    for name, value in lower:
        for prefix in names.extra_prefixes:
            if name.startswith(prefix):
                key = unquote(name[len(prefix) :]).lower()
                extra[key] = (*extra.get(key, ()), value)
    return User(user, with_group(groups, AUTHENTICATED), _first(names.uids, lower), extra)


def _first(names: Iterable[str], headers: list[tuple[str, str]]) -> str:
    for wanted in names:
        for name, value in headers:
            if name == wanted and value:
                return value
    return ""
