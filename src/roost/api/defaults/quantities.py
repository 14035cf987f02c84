"""Quantities as they are stored: canonical, and not finer than a thousandth."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from roost.api.quantity import form_of, parse, render, to_millis
from roost.api.values import Object


@lru_cache(maxsize=8192)
def _rounded(text: str) -> str:
    exact = parse(text)
    if not isinstance(exact, int):
        exact = Fraction(to_millis(text), 1000)
    return render(exact.numerator if exact.denominator == 1 else exact, form_of(text))


def round_up(values: Object | None) -> None:
    """Make every quantity of a resource list canonical, rounded up to thousandths.

    What is no quantity stays: decoding refuses it with a better message.
    """
    if not values:
        return
    for name, written in values.items():
        try:
            values[name] = _rounded(written if isinstance(written, str) else str(written))
        except ValueError:
            continue
