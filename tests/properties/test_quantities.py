"""Quantities keep their value through every form, and selectors their meaning through text."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from roost.api import quantity
from roost.api.selectors import parse_fields, parse_labels

SUFFIXES = ["", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "E2", "e-3"]
QUANTITIES = st.builds(
    lambda sign, whole, fraction, suffix: f"{sign}{whole}{fraction}{suffix}",
    st.sampled_from(["", "-", "+"]),
    st.integers(0, 10**12),
    st.sampled_from(["", ".", ".5", ".125", ".001", ".0000000001"]),
    st.sampled_from(SUFFIXES),
)


@given(QUANTITIES)
def test_canonical_keeps_the_value_and_is_stable(text: str) -> None:
    canonical = quantity.canonical(text)
    assert quantity.parse(canonical) == quantity.parse(text)
    assert quantity.canonical(canonical) == canonical


@given(QUANTITIES, QUANTITIES)
def test_sums_and_differences_are_exact(left: str, right: str) -> None:
    a, b = Fraction(quantity.parse(left)), Fraction(quantity.parse(right))
    assert quantity.parse(quantity.add(left, right)) == a + b
    assert quantity.parse(quantity.subtract(left, right)) == a - b
    assert quantity.compare(left, right) == (a > b) - (a < b)


@given(st.text(alphabet="0123456789.eEinumkKMGTP+-", max_size=12))
def test_any_text_is_a_quantity_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert quantity.canonical(quantity.canonical(text)) == quantity.canonical(text)


KEYS = st.sampled_from(["a", "b", "example.com/c"])
WORDS = st.sampled_from(["", "x", "y", "7"])
REQUIREMENTS = st.one_of(
    KEYS,
    KEYS.map(lambda key: f"!{key}"),
    st.builds("{}{}{}".format, KEYS, st.sampled_from(["=", "==", "!="]), WORDS),
    st.builds("{}{}{}".format, KEYS, st.sampled_from("<>"), st.integers(0, 9)),
    st.builds(
        lambda key, operator, words: f"{key} {operator} ({','.join(words)})",
        KEYS, st.sampled_from(["in", "notin"]), st.lists(WORDS, min_size=1, max_size=3),
    ),
)  # fmt: skip
LABELS = st.dictionaries(KEYS, WORDS)


@given(st.lists(REQUIREMENTS, max_size=4), LABELS)
def test_the_text_of_a_label_selector_means_the_same(
    parts: list[str], labels: dict[str, str]
) -> None:
    selector = parse_labels(",".join(parts))
    again = parse_labels(str(selector))
    assert str(again) == str(selector)
    assert again.matches(labels) is selector.matches(labels)
    assert selector.matches(labels) is all(parse_labels(part).matches(labels) for part in parts)


@given(st.text(max_size=20))
def test_any_text_is_a_selector_or_refused(text: str) -> None:
    for parse in (parse_labels, parse_fields):
        with suppress(ValueError):
            parse(str(parse(text)))


@given(st.text(max_size=12))
def test_escaped_values_come_back(value: str) -> None:
    escaped = value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
    selector = parse_fields(f"a={escaped}")
    assert selector.exact("a") == value
    assert parse_fields(str(selector)) == selector
