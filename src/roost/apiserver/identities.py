"""Every request has an identity, which its answer tells as `Audit-Id` and by which logs find it.

Random numbers for each would cost more than all the rest of this; so one random beginning is counted on.
"""

from __future__ import annotations

import re
from typing import Final

from roost.ports.port import Ids

_SANE: Final = re.compile(r"[0-9A-Za-z._-]{1,64}")


class Identities:
    """Gives identities that look like UUIDs and never repeat."""

    def __init__(self, ids: Ids) -> None:
        first = f"{ids.uid():0<36}"
        self._start = first[:24]
        try:
            self._next = int(first[24:36], 16) >> 1
        except ValueError:  # ids of a test
            self._next = 0

    def head(self, given: str | None) -> bytes:
        """Return the line of an answer's head; an identity that the client gave is kept."""
        if given is not None and _SANE.fullmatch(given):
            return b"\r\nAudit-Id: " + given.encode()
        self._next += 1
        return f"\r\nAudit-Id: {self._start}{self._next & 0xFFFFFFFFFFFF:012x}".encode()


def identity_of(head: bytes) -> str:
    """Return the identity in a head that begins with it."""
    return head[12:].partition(b"\r\n")[0].decode()
