"""Identities, from the system's randomness."""

from __future__ import annotations

import uuid


class RandomIds:
    """ports.Ids."""

    def uid(self) -> str:
        return str(uuid.uuid4())
