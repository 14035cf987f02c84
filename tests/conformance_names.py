"""Names as Kubernetes' tests make them."""

from __future__ import annotations

import random
import string


def unique(prefix: str) -> str:
    """Return the prefix and six letters or digits."""
    return prefix + "".join(random.choices(string.ascii_lowercase + string.digits, k=6))
