"""One seed for the whole world, and one of its own for everybody in it."""

from __future__ import annotations

import hashlib


def derived(seed: int, *names: object) -> int:
    """Return the seed of somebody, by name: what others do with theirs does not change it."""
    text = "/".join((str(seed), *map(str, names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
