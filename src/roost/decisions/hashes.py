"""Short hashes that become part of names, in the alphabet that Kubernetes uses for them."""

from __future__ import annotations

import json

from roost.api.values import Value

_SAFE = "bcdfghjklmnpqrstvwxz2456789"
_PRIME = 16777619
_START = 2166136261


def fnv32a(data: bytes) -> int:
    """Return the 32-bit FNV-1a hash."""
    value = _START
    for byte in data:
        value = ((value ^ byte) * _PRIME) & 0xFFFFFFFF
    return value


def safe_encode(text: str) -> str:
    """Replace each character by one that cannot form a bad word, as rand.SafeEncodeString."""
    return "".join(_SAFE[ord(char) % len(_SAFE)] for char in text)


def template_hash(template: Value, collisions: int = 0) -> str:
    """Return the pod-template-hash of a template. Equal JSON gives equal hashes."""
    data = json.dumps(template, sort_keys=True, separators=(",", ":")).encode()
    if collisions:
        data += collisions.to_bytes(8, "little")
    return safe_encode(str(fnv32a(data)))
