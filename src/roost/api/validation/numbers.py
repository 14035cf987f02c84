"""Rules for numbers that may be percentages."""

from __future__ import annotations

from roost.api import names
from roost.api.numerals import natural
from roost.api.validation.causes import NEGATIVE, Causes
from roost.api.values import Value


def count_or_percent(value: Value, path: str, causes: Causes) -> None:
    """Check a count that is not negative, or a percentage."""
    if isinstance(value, str):
        causes.faults(path, value, names.check_percent(value))
    elif value < 0:
        causes.invalid(path, value, NEGATIVE)


def at_most_all(value: Value, path: str, causes: Causes) -> None:
    """Refuse more than 100%."""
    if isinstance(value, str) and amount(value) > 100:
        causes.invalid(path, value, "must not be greater than 100%")


def amount(value: Value) -> int:
    """Return the number itself, without its percent sign; 0 for what is no number."""
    if isinstance(value, str):
        return (natural(value[:-1]) or 0) if not names.check_percent(value) else 0
    return int(value or 0)
