"""Whole numbers that somebody wrote as text.

Rule: nothing that a client sends is given to `int()` as it is. Python reads digits of every script and
underscores, which Go does not, and refuses very long texts with an error of its own.
"""

from __future__ import annotations

import re

#: What a text with more digits than any 64-bit number counts as: too large for every range.
BEYOND = 10**20
_DIGITS = len(str(BEYOND)) - 1
_natural = re.compile(r"[0-9]+").fullmatch


def natural(text: str) -> int | None:
    """Return the number that digits stand for, at most BEYOND; None if there is anything else."""
    if _natural(text) is None:
        return None
    if len(text) > _DIGITS:
        text = text.lstrip("0") or "0"
        if len(text) > _DIGITS:
            return BEYOND
    return int(text)


def whole(text: str) -> int | None:
    """Return the number that digits after an optional sign stand for, between -BEYOND and BEYOND."""
    number = natural(text[1:] if text[:1] in ("+", "-") else text)
    return -number if number and text[0] == "-" else number


def int64_fault(text: str) -> str:
    """Return what Go's `strconv.ParseInt` says of a text that is no number of 64 bits, else ""."""
    number = whole(text)
    if number is None:
        return f'strconv.ParseInt: parsing "{text}": invalid syntax'
    if not -(2**63) <= number < 2**63:
        return f'strconv.ParseInt: parsing "{text}": value out of range'
    return ""
