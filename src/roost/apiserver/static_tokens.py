"""Bearer tokens that an administrator made: `roost token create`.

Only the SHA-256 of each secret is kept, in one file that its owner alone can read. The secrets have
256 random bits, so a plain hash cannot be guessed. Rule: what the file says now is what counts; a
token that is removed from it stops working as soon as caches expire.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from roost.apiserver.access.identity import AUTHENTICATED, with_group
from roost.apiserver.attributes import User
from roost.ports.port import Files

_PREFIX = "roost_"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One token as the file keeps it. `expires` is epoch seconds; None: never."""

    id: str
    sha256: str
    user: str
    groups: tuple[str, ...] = ()
    expires: float | None = None


class _Document(msgspec.Struct):
    tokens: list[Entry] = []


class TokenFileError(Exception):
    """The file cannot be used; the message names it."""


@dataclass(slots=True)
class StaticTokens:
    """The tokens of one file."""

    files: Files
    path: str
    _read: bytes | None = None
    _entries: tuple[Entry, ...] = ()

    def entries(self) -> tuple[Entry, ...]:
        """Return every token. Raises TokenFileError if the file is damaged."""
        content = self.files.read(self.path)
        if content != self._read:
            self._entries = _parse(content, self.path)
            self._read = content
        return self._entries

    def find(self, secret: str, *, now: float) -> User | None:
        """Return whose token this is, None if it is nobody's or has expired."""
        digest = _digest(secret)
        found = None
        for entry in self.entries():  # all of them: the time taken tells nothing
            if hmac.compare_digest(entry.sha256, digest):
                found = entry
        if found is None or (found.expires is not None and now >= found.expires):
            return None
        return User(found.user, with_group(found.groups, AUTHENTICATED))

    def create(
        self, user: str, groups: Iterable[str] = (), *, now: float, life_s: float | None = None
    ) -> str:
        """Add a token and return its secret, which is shown once and kept nowhere."""
        secret = _PREFIX + secrets.token_urlsafe(32)
        entry = Entry(
            id=secrets.token_hex(4),
            sha256=_digest(secret),
            user=user,
            groups=tuple(groups),
            expires=None if life_s is None else now + life_s,
        )
        living = [old for old in self.entries() if old.expires is None or old.expires > now]
        self._write([*living, entry])
        return secret

    def remove(self, token_id: str) -> bool:
        """Remove a token by its id; False if there is none."""
        entries = self.entries()
        left = [entry for entry in entries if entry.id != token_id]
        if len(left) == len(entries):
            return False
        self._write(left)
        return True

    def _write(self, entries: list[Entry]) -> None:
        content = msgspec.json.format(msgspec.json.encode(_Document(entries)), indent=2)
        self.files.write(self.path, content, mode=0o600, durable=True)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _parse(content: bytes | None, path: str) -> tuple[Entry, ...]:
    if content is None:
        return ()
    try:
        return tuple(msgspec.json.decode(content, type=_Document).tokens)
    except msgspec.DecodeError as error:
        raise TokenFileError(f"{path} is not a file of tokens: {error}") from error
