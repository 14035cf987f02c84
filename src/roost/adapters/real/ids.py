"""Identities, from the system's randomness."""

from __future__ import annotations

import os


class RandomIds:
    """ports.Ids."""

    def uid(self) -> str:
        """Return a random UUID, version 4 of RFC 9562."""
        text = os.urandom(16).hex()
        variant = "89ab"[int(text[16], 16) & 3]
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"
