"""Kubernetes' library for quantity() and semver()."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from roost.api import quantity as quantities
from roost.api.cel.functions.declare import Declarations
from roost.api.cel.values import INT_MAX, INT_MIN, UINT_MAX, EvaluationError, Wrapped
from roost.api.numerals import natural
from roost.api.validation.causes import quoted

declarations = Declarations()
_add = declarations.add
_words = re.compile("[0-9A-Za-z-]+").fullmatch


@dataclass(frozen=True, slots=True)
class QuantityValue(Wrapped):
    """A resource quantity: 100m, 2Gi."""

    amount: Fraction
    type_name = "kubernetes.Quantity"


def _quantity(text: str) -> QuantityValue:
    try:
        return QuantityValue(Fraction(quantities.parse(text)))
    except ValueError as error:
        raise EvaluationError(str(error)) from None


@_add("quantity(string) kubernetes.Quantity", cost="scan")
def quantity(text: str) -> QuantityValue:
    return _quantity(text)


@_add("isQuantity(string) bool", cost="scan")
def is_quantity(text: str) -> bool:
    try:
        _quantity(text)
    except EvaluationError:
        return False
    return True


@_add("kubernetes.Quantity . sign() int")
def sign(value: QuantityValue) -> int:
    return (value.amount > 0) - (value.amount < 0)


@_add("kubernetes.Quantity . isInteger() bool")
def is_integer(value: QuantityValue) -> bool:
    return value.amount.denominator == 1 and INT_MIN <= value.amount <= INT_MAX


@_add("kubernetes.Quantity . asInteger() int")
def as_integer(value: QuantityValue) -> int:
    if not is_integer(value):
        raise EvaluationError("cannot convert value to integer")
    return int(value.amount)


@_add("kubernetes.Quantity . asApproximateFloat() double")
def as_approximate_float(value: QuantityValue) -> float:
    return float(value.amount)


@_add("kubernetes.Quantity . add(kubernetes.Quantity) kubernetes.Quantity",
      "kubernetes.Quantity . add(int) kubernetes.Quantity")  # fmt: skip
def add(value: QuantityValue, other: Any) -> QuantityValue:
    return QuantityValue(value.amount + (other if isinstance(other, int) else other.amount))


@_add("kubernetes.Quantity . sub(kubernetes.Quantity) kubernetes.Quantity",
      "kubernetes.Quantity . sub(int) kubernetes.Quantity")  # fmt: skip
def sub(value: QuantityValue, other: Any) -> QuantityValue:
    return QuantityValue(value.amount - (other if isinstance(other, int) else other.amount))


@_add("kubernetes.Quantity . compareTo(kubernetes.Quantity) int")
def compare_to(value: QuantityValue, other: QuantityValue) -> int:
    return (value.amount > other.amount) - (value.amount < other.amount)


@_add("kubernetes.Quantity . isLessThan(kubernetes.Quantity) bool")
def is_less_than(value: QuantityValue, other: QuantityValue) -> bool:
    return value.amount < other.amount


@_add("kubernetes.Quantity . isGreaterThan(kubernetes.Quantity) bool")
def is_greater_than(value: QuantityValue, other: QuantityValue) -> bool:
    return value.amount > other.amount


@dataclass(frozen=True, slots=True)
class Semver(Wrapped):
    """A semantic version; what comes after a plus is not compared."""

    numbers: tuple[int, int, int]
    before: tuple[str, ...]
    type_name = "kubernetes.Semver"

    def order(self) -> tuple[Any, ...]:
        numbers = ((one, natural(one)) for one in self.before)
        parts = tuple((1, 0, one) if number is None else (0, number, "") for one, number in numbers)
        return (self.numbers, not self.before, parts)


def _semver(text: str) -> Semver:
    if not text:
        raise EvaluationError("Version string empty")
    parts = text.split(".", 2)
    if len(parts) < 3:
        raise EvaluationError("No Major.Minor.Patch elements found")
    rest, plus, build = parts[2].partition("+")
    bare, dash, before = rest.partition("-")
    major, minor, patch = (
        _number(part, what)
        for part, what in zip((*parts[:2], bare), ("Major", "Minor", "Patch"), strict=True)
    )
    found = tuple(map(_pre_release, before.split("."))) if dash else ()
    for word in build.split(".") if plus else ():
        if not word:
            raise EvaluationError("Build meta data is empty")
        if not _words(word):
            raise EvaluationError(f"Invalid character(s) found in build meta data {quoted(word)}")
    return Semver((major, minor, patch), found)


def _number(text: str, what: str) -> int:
    if text.strip("0123456789"):
        said = f"Invalid character(s) found in {what.lower()} number {quoted(text)}"
        raise EvaluationError(said)
    if len(text) > 1 and text[0] == "0":
        raise EvaluationError(f"{what} number must not contain leading zeroes {quoted(text)}")
    return _unsigned(text)


def _unsigned(text: str) -> int:
    number = natural(text)
    if number is None or number > UINT_MAX:
        why = "invalid syntax" if number is None else "value out of range"
        raise EvaluationError(f"strconv.ParseUint: parsing {quoted(text)}: {why}")
    return number


def _pre_release(text: str) -> str:
    if not text:
        raise EvaluationError("Prerelease is empty")
    if not text.strip("0123456789"):
        if len(text) > 1 and text[0] == "0":
            said = "Numeric PreRelease version must not contain leading zeroes"
            raise EvaluationError(f"{said} {quoted(text)}")
        _unsigned(text)
    elif not _words(text):
        raise EvaluationError(f"Invalid character(s) found in prerelease {quoted(text)}")
    return text


def _normal(text: str) -> str:
    """Bring a version that is nearly one into form: v1.2 is 1.2.0, 01.2.3 is 1.2.3."""
    bare, sign_, rest = text.removeprefix("v"), "", ""
    for mark in "-+":
        if mark in bare:
            bare, sign_, rest = bare.partition(mark)
            break
    parts = [part.lstrip("0") or "0" for part in bare.split(".")] if bare else []
    return ".".join([*parts, *["0"] * (3 - len(parts))]) + sign_ + rest


@_add("semver(string) kubernetes.Semver", "semver(string, bool) kubernetes.Semver", cost="scan")
def semver(text: str, normalize: bool = False) -> Semver:
    return _semver(_normal(text) if normalize else text)


@_add("isSemver(string) bool", "isSemver(string, bool) bool", cost="scan")
def is_semver(text: str, normalize: bool = False) -> bool:
    try:
        _semver(_normal(text) if normalize else text)
    except EvaluationError:
        return False
    return True


@_add("kubernetes.Semver . major() int")
def major(value: Semver) -> int:
    return value.numbers[0]


@_add("kubernetes.Semver . minor() int")
def minor(value: Semver) -> int:
    return value.numbers[1]


@_add("kubernetes.Semver . patch() int")
def patch(value: Semver) -> int:
    return value.numbers[2]


@_add("kubernetes.Semver . compareTo(kubernetes.Semver) int")
def compare_versions(value: Semver, other: Semver) -> int:
    return (value.order() > other.order()) - (value.order() < other.order())


@_add("kubernetes.Semver . isLessThan(kubernetes.Semver) bool")
def is_older(value: Semver, other: Semver) -> bool:
    return value.order() < other.order()


@_add("kubernetes.Semver . isGreaterThan(kubernetes.Semver) bool")
def is_newer(value: Semver, other: Semver) -> bool:
    return value.order() > other.order()
