"""The key that signs service account tokens in a simulation: the same seed gives the same tokens.

It is no secret at all (anybody who knows the seed can sign), and it keeps nothing safe: a simulated
cluster has nothing that needs to be.
"""

from __future__ import annotations

import hashlib


class SeededKeys:
    """apiserver.tokens.Keys without public keys: HMAC with what the seed gives."""

    algorithm = "HS256"
    key_id = "simulation"

    def __init__(self, seed: int) -> None:
        self.private = hashlib.sha256(f"roost simulation {seed}".encode()).digest()

    def verifying(self, key_id: str | None) -> bytes | None:
        """Return the key that verifies tokens with this `kid`, None if it is not ours."""
        return self.private if key_id in (None, self.key_id) else None
