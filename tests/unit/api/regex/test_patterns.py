"""Both engines for the regular expressions of clients: one language, one way to complain."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from roost.api.regex import backtracking, linear
from roost.api.regex.faults import BadPattern
from roost.api.regex.patterns import Pattern, compiled, found_in

Engine = Callable[[str], Pattern]
both = pytest.mark.parametrize("engine", [linear.compile_pattern, backtracking.compile_pattern])


@both
@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("a+", "xaay", "aa"), ("^a$", "a\n", None), ("^[[:alpha:]]+$", "abc", "abc"), (r"\d", "٣", None),
        ("(?i)ABC", "xabc", "abc"), ("b*", "aab", ""), (r"\x{df}", "Straße", "ß"), ("é.", "xéß", "éß"),
    ],
)  # fmt: skip
def test_search(engine: Engine, pattern: str, text: str, found: str | None) -> None:
    match = engine(pattern).search(text)
    assert (match and match[0]) == found


@both
@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(", "missing closing ): `(`"),
        ("[a", "missing closing ]: `[a`"),
        ("*", "missing argument to repetition operator: `*`"),
        ("(?=b)", "invalid or unsupported Perl syntax: `(?=`"),
        ("a\\", "trailing backslash at end of expression: ``"),
        ("[z-a]", "invalid character class range: `z-a`"),
        (r"\1", r"invalid escape sequence: `\1`"),
    ],
)
def test_complaints_are_those_of_go(engine: Engine, pattern: str, problem: str) -> None:
    with pytest.raises(BadPattern) as error:
        engine(pattern)
    assert str(error.value) == f"error parsing regexp: {problem}"


def test_no_pattern_takes_exponential_time() -> None:
    """The alarm is far beyond what RE2 needs, and far before a backtracking engine is done."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(20)
    try:
        assert compiled("(a+)+$").search("a" * 50_000 + "!") is None
        assert compiled("(a|a)*b").search("a" * 50_000) is None
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_a_pattern_may_only_use_so_much_memory() -> None:
    with pytest.raises(BadPattern):
        compiled(r"((\pL{30}){30}){30}")


def test_an_empty_match_right_after_another_does_not_count() -> None:
    assert list(found_in(compiled("a*"), "baac")) == ["", "aa", ""]
