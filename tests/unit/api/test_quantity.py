"""Quantities are read exactly and written as Go writes them."""

from fractions import Fraction

import pytest

from roost.api import quantity


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("1000m", "1"),
        (0.5, "500m"),
        (2, "2"),
        ("1024Ki", "1Mi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("1Ki", "1Ki"),
        ("1500Mi", "1500Mi"),
        ("-1.5Gi", "-1536Mi"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("123e1", "1230"),
        ("1e-3", "1e-3"),
        ("1.0005", "1000500u"),
        ("100.035k", "100035"),
        ("0.1n", "1n"),
        ("-0.1n", "-1n"),
        ("0Gi", "0"),
        ("00012", "12"),
        (".5", "500m"),
        ("+3.0", "3"),
        ("9999Ei", "9223372036854775807"),
    ],
)
def test_canonical_is_what_the_server_stores(written: quantity.Written, canonical: str) -> None:
    assert quantity.canonical(written) == canonical


@pytest.mark.parametrize(
    "text", ["", "abc", "1.1.M", " 1", "-", "k", "1 ", "0x1", "9" * 300, "\u0661"]
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match the regular expression"):
        quantity.parse(text)


@pytest.mark.parametrize("text", ["1i", "1e", "1mi", "1e99999", "1Kii"])
def test_unknown_suffix_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="unable to parse quantity's suffix"):
        quantity.parse(text)


@pytest.mark.parametrize("value", [True, None, [], {}])
def test_other_values_are_no_quantities(value: object) -> None:
    with pytest.raises(ValueError, match="quantities must match"):
        quantity.canonical(value)  # type: ignore[arg-type]  # what a client may send


def test_values_are_exact() -> None:
    assert quantity.parse("1500m") == Fraction(3, 2)
    assert quantity.parse("3Gi") == 3 * 2**30
    assert isinstance(quantity.parse("1000m"), int)


def test_rounding_is_away_from_zero() -> None:
    assert (quantity.to_int("1.1"), quantity.to_int("-1.1")) == (2, -2)
    assert (quantity.to_millis("1.5"), quantity.to_millis("1u")) == (1500, 1)


def test_arithmetic_keeps_the_form_of_the_left_side() -> None:
    assert quantity.add("1Gi", "512Mi") == "1536Mi"
    assert quantity.add("0", "512Mi") == "512Mi"
    assert quantity.subtract("1", "1500m") == "-500m"
    assert quantity.compare("1Gi", "1G") == 1
    assert quantity.compare("1000m", 1) == 0
    assert quantity.is_zero("0Ki")
