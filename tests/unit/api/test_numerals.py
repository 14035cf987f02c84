import pytest

from roost.api.numerals import BEYOND, natural, whole


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("007", 7), ("9" * 5000, BEYOND), ("0" * 5000 + "5", 5),
        ("18446744073709551615", 2**64 - 1),
        ("", None), ("-1", None), ("+1", None), ("1_0", None), ("٣", None), ("²", None), (" 1", None),
        ("1\n", None), ("0x1", None),
    ],
)  # fmt: skip
def test_natural(text: str, number: int | None) -> None:
    assert natural(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("-5", -5),
        ("+5", 5),
        ("-0", 0),
        ("-" + "9" * 5000, -BEYOND),
        ("--1", None),
        ("-", None),
        ("", None),
    ],
)
def test_whole(text: str, number: int | None) -> None:
    assert whole(text) == number
