"""Refusals whose code and reason somebody else chose: a webhook, or the author of a policy."""

from __future__ import annotations

from functools import lru_cache

from roost.api.errors import StatusError
from roost.api.values import Object

_LOWEST, _HIGHEST = 400, 599


@lru_cache(maxsize=256)
def refusal_class(code: int, reason: str) -> type[StatusError]:
    """Return the error class with exactly this code and reason.

    The usual classes pair each reason with its code; a webhook may answer with any pair.
    """
    return type("Refusal", (StatusError,), {"code": code, "reason": reason})


def refusal(code: int, reason: str, message: str, details: Object | None) -> StatusError:
    """Return the error that answers with a code, a reason and a message."""
    return refusal_class(min(max(code, _LOWEST), _HIGHEST), reason)(message, details)
