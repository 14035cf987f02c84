"""CEL: any text ends in a program or a complaint, any values in a value or an error."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from roost.api.cel.environment import CompileError, Environment, build
from roost.api.cel.types import DYN, INT
from roost.api.cel.values import EvaluationError, equal

ENVIRONMENT = Environment({"a": DYN, "b": DYN, "i": INT, "j": INT})
WORDS = st.sampled_from(
    [
        "a",
        "b",
        "i",
        "1",
        "'x'",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ".",
        "?",
        ":",
        ",",
        "+",
        "-",
        "&&",
        "||",
        "==",
        "in",
        "has",
        "all",
        "x",
        "!",
        "null",
        "true",
        ".map(x, x)",
        ".?c",
        "r'\\d'",
        "'",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)
PROGRAMS = [
    build(text, ENVIRONMENT)
    for text in (
        "a == b",
        "a < b || b in a",
        "a.all(x, x == b)",
        "a[b]",
        "a.?x.orValue(b)",
        "a + b",
        "size(a)",
        "has(a.x) ? a.x : b",
        "a.map(x, x + 1).filter(y, y > b)",
        "a.exists(k, v, k == v)",
        "!a && b",
    )
]


@given(st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=20))
def test_any_text_is_a_program_or_refused(text: str) -> None:
    try:
        build(text, ENVIRONMENT)
    except CompileError as error:
        assert str(error).startswith("ERROR: <input>:")  # noqa: PT017 - most texts are refused


@given(st.sampled_from(PROGRAMS), JSON, JSON)
def test_any_values_give_a_value_or_an_error(program: Any, a: Any, b: Any) -> None:
    try:
        program.evaluate({"a": a, "b": b})
    except EvaluationError as error:
        assert str(error)  # noqa: PT017 - many combinations have no value


@given(JSON, JSON)
def test_equality_is_symmetric_and_reflexive(a: Any, b: Any) -> None:
    assert equal(a, a)
    assert equal(a, b) == equal(b, a)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1).filter(bool))
def test_division_and_remainder_belong_together(i: int, j: int) -> None:
    program = build("(i / j) * j + i % j == i", ENVIRONMENT)
    try:
        assert program.evaluate({"i": i, "j": j}) is True
    except EvaluationError as error:
        assert str(error) == "integer overflow"  # noqa: PT017 - the one quotient that is too large
