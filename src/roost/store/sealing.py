"""Seals some values on disk: AES-256-GCM by keys that may be changed at any time.

A sealed value is `roost:sealed:1:KEY_ID:` nonce ciphertext, and the key of the store is part of what
is authenticated, so nobody can put one value in the place of another. New values are sealed by the
newest key; any key of the ring opens. What was written before there was a ring, in the clear, stays
readable, and is `stale`, as is what an older key sealed: a store writes such values anew when it starts.
"""

from __future__ import annotations

import binascii
import os
from base64 import b64decode, b64encode
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from roost.ports.port import Files
from roost.store.port import Damaged

_MARK: Final = b"roost:sealed:1:"
_ID_BYTES: Final = 4
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_HEADER: Final = len(_MARK) + 2 * _ID_BYTES + 1
_HEAD_LINES: Final = (
    "# The keys by which this server's Secrets are sealed on disk, the newest first.\n"
    "# Without them nobody can read those Secrets: keep a copy, apart from the database.\n"
)


class Sealing(Protocol):
    """What a store's file does to values on their way to the disk and back."""

    def seal(self, key: str, value: bytes) -> bytes:
        """Return what is written for a value. Raises Damaged."""
        ...

    def open(self, key: str, stored: bytes) -> bytes:
        """Return the value of what was written. Raises Damaged."""
        ...

    def stale(self, key: str, stored: bytes) -> bool:
        """Should what is written be written anew?"""
        ...


class Keyring:
    """Seals the values whose keys begin with one of `prefixes`, by keys in the file `path`.

    The file is made (0600) when the first value is sealed, never when there is something sealed that
    only a lost key could open. A changed file counts from the next value on.
    """

    def __init__(self, files: Files, path: str, prefixes: tuple[str, ...]) -> None:
        self._files = files
        self._path = path
        self._prefixes = prefixes
        self._text: bytes | None = None
        self._keys: dict[bytes, AESGCM] = {}

    # ------------------------------------------------------------------ values

    def seal(self, key: str, value: bytes) -> bytes:
        if not key.startswith(self._prefixes):
            return value
        key_id, cipher = self._newest()
        nonce = os.urandom(_NONCE_BYTES)
        header = b"%b%b:" % (_MARK, key_id)
        return header + nonce + cipher.encrypt(nonce, value, key.encode())

    def open(self, key: str, stored: bytes) -> bytes:
        if not stored.startswith(_MARK):
            return stored
        key_id = stored[len(_MARK) : _HEADER - 1]
        if key_id not in self._keys:
            self._read()
        cipher = self._keys.get(key_id)
        if cipher is None:
            raise Damaged(
                f"{key} is sealed by the key {key_id.decode(errors='replace')}, which is not in "
                f"{self._path}: put that file back from a copy"
            )
        nonce = stored[_HEADER : _HEADER + _NONCE_BYTES]
        try:
            return cipher.decrypt(nonce, stored[_HEADER + _NONCE_BYTES :], key.encode())
        except (InvalidTag, ValueError) as error:
            raise Damaged(
                f"{key} cannot be opened by the key {key_id.decode()} of {self._path}: the value or "
                "the key was changed; restore both from a backup"
            ) from error

    def stale(self, key: str, stored: bytes) -> bool:
        if not key.startswith(self._prefixes):
            return False
        if self._text is None:
            self._read()
        newest = next(iter(self._keys), None)
        return newest is None or not stored.startswith(b"%b%b:" % (_MARK, newest))

    # ------------------------------------------------------------------ keys

    def rotate(self) -> str:
        """Make a new key the newest; returns its id. Raises Damaged if the file is."""
        self._read()
        key_id = os.urandom(_ID_BYTES).hex()
        line = f"{key_id} {b64encode(os.urandom(_KEY_BYTES)).decode()}\n"
        old = [one for one in (self._text or b"").decode().splitlines() if one[:1] not in ("", "#")]
        text = _HEAD_LINES + line + "".join(f"{one}\n" for one in old)
        self._files.write(self._path, text.encode(), mode=0o600, durable=True)
        self._read()
        return key_id

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all keys, the newest first. Raises Damaged."""
        self._read()
        return tuple(key_id.decode() for key_id in self._keys)

    def _newest(self) -> tuple[bytes, AESGCM]:
        self._read()
        if not self._keys:
            self.rotate()
        return next(iter(self._keys.items()))

    def _read(self) -> None:
        """Take the keys from the file, unless it is as it was."""
        text = self._files.read(self._path)
        if text is None and self._text is not None:
            # By these keys values were sealed: they must not exist in memory alone.
            self._files.write(self._path, self._text, mode=0o600, durable=True)
            return
        if text is None or text == self._text:
            return
        self._keys = _parse(text, self._path)
        self._text = text


def _parse(text: bytes, path: str) -> dict[bytes, AESGCM]:
    keys: dict[bytes, AESGCM] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith(b"#"):
            continue
        key_id, _, encoded = line.partition(b" ")
        try:
            key = b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != _KEY_BYTES or len(key_id) != 2 * _ID_BYTES:
            raise Damaged(f"{path}: line {number} is no key; put the file back from a copy")
        keys[key_id] = AESGCM(key)
    return keys


class Unsealed:
    """Leaves all values as they are."""

    def seal(self, key: str, value: bytes) -> bytes:
        del key
        return value

    def open(self, key: str, stored: bytes) -> bytes:
        del key
        return stored

    def stale(self, key: str, stored: bytes) -> bool:
        del key, stored
        return False
