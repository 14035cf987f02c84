"""Regular expressions in CEL: a bad one fails the evaluation."""

from __future__ import annotations

from roost.api.cel.values import EvaluationError
from roost.api.regex.faults import BadPattern
from roost.api.regex.patterns import Pattern, compiled


def pattern_of(text: str) -> Pattern:
    """Return the expression compiled. Raises EvaluationError."""
    try:
        return compiled(text)
    except BadPattern as error:
        raise EvaluationError(str(error)) from None
