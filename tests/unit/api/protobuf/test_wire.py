"""The wire format: integers, sizes, and what is skipped."""

import pytest

from roost.api.protobuf import wire


@pytest.mark.parametrize(
    ("value", "data"),
    [(0, b"\x00"), (127, b"\x7f"), (300, b"\xac\x02"), (-1, b"\xff" * 9 + b"\x01")],
)
def test_integers_are_written_and_read(value, data):
    assert wire.varint(value) == data
    read, end = wire.read_varint(data, 0)
    assert (wire.signed(read), end) == (value, len(data))


def test_an_integer_of_more_than_64_bits_is_malformed():
    with pytest.raises(wire.Malformed, match="integer overflow"):
        wire.read_varint(b"\xff" * 11, 0)


def test_a_32_bit_integer_is_cut_as_in_go():
    assert wire.signed32(wire.read_varint(wire.varint(-5), 0)[0]) == -5
    assert wire.signed32(2**31) == -(2**31)


def test_a_size_beyond_the_end_is_malformed():
    with pytest.raises(wire.Malformed, match="unexpected EOF"):
        wire.read_size(b"\x05abc", 0, 4)
    with pytest.raises(wire.Malformed, match="negative length"):
        wire.read_size(wire.varint(-1), 0, 10)


@pytest.mark.parametrize(
    ("wire_type", "data"),
    [
        (wire.VARINT, b"\xac\x02"),
        (wire.FIXED64, b"12345678"),
        (wire.FIXED32, b"1234"),
        (wire.DELIMITED, b"\x03abc"),
        # A group with a group in it.
        (wire.START_GROUP, b"\x08\x01\x13\x12\x01a\x14\x0c"),
    ],
)
def test_unknown_values_are_skipped(wire_type, data):
    assert wire.skip(data + b"rest", 0, len(data) + 4, wire_type) == len(data)


def test_what_cannot_be_skipped_is_malformed():
    for wire_type in (wire.END_GROUP, 6, 7):
        with pytest.raises(wire.Malformed):
            wire.skip(b"abcdefgh", 0, 8, wire_type)
