"""JSON as Go writes and reads it."""

import math

import msgspec
import pytest

from roost.api.jsontext import TooLarge, float_text, read_numbers, scalar_text, written_numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"), (-0.0, "-0"), (1.5, "1.5"), (0.1, "0.1"), (100.0, "100"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"), (1.5e300, "1.5e+300"), (1e-6, "0.000001"), (1e-7, "1e-7"), (-2.5e-9, "-2.5e-9"),
        (2.0**63, "9223372036854776000"),
    ],
)  # fmt: skip
def test_floats_are_written_shortly(value: float, text: str) -> None:
    assert float_text(value) == text


def test_texts_are_written_for_pages() -> None:
    assert scalar_text('<a href="x">&\u2028') == rb'"\u003ca href=\"x\"\u003e\u0026\u2028"'


def test_integers_without_64_bits_are_read_as_floats() -> None:
    value = {"a": [1, 2**63 - 1, 2**63, "x", None, True], "b": {"c": -(2**63), "d": 1.5}}
    found = read_numbers(value)
    assert found["a"][2].__class__ is float
    assert found == value
    assert found["b"] is value["b"]
    for beyond in (10**400, math.inf):
        with pytest.raises(TooLarge, match=r"into Go value of type float64"):
            read_numbers([beyond])


def test_floats_without_a_fraction_come_back_as_integers() -> None:
    value = {"a": [1.0, 1.5, -0.0, 1e21, 2.0**63], "b": {"c": "x"}}
    found = written_numbers(value)
    assert msgspec.json.encode(found["a"]) == b"[1,1.5,-0.0,1e21,9223372036854776000]"
    assert found["b"] is value["b"]
