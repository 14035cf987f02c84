"""What is said about the request that is being answered, from wherever something is known of it.

A request that is not audited has no notes, and then nothing is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final

NOTES: Final[ContextVar[dict[str, str] | None]] = ContextVar("audit notes", default=None)


def note(annotations: Mapping[str, str] | None) -> None:
    """Add annotations to the audit event of the current request; what was said first stays."""
    if not annotations:
        return
    notes = NOTES.get()
    if notes is not None:
        for key, value in annotations.items():
            notes.setdefault(key, value)
