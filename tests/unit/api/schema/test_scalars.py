import pytest

from roost.api.schema import scalars
from roost.api.schema.scalars import Mismatch


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-01T10:00:00Z", "2024-03-01T10:00:00Z"),
        ("2024-03-01T10:00:00.999Z", "2024-03-01T10:00:00Z"),
        ("2024-03-01T10:00:00+05:30", "2024-03-01T04:30:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("2024-02-29T23:59:59-01:00", "2024-03-01T00:59:59Z"),
    ],
)
def test_times_are_utc_to_the_second(text, expected):
    assert scalars.time(text) == expected


def test_micro_times_have_six_digits():
    assert scalars.micro_time("2024-03-01T12:00:00.000001+02:00") == "2024-03-01T10:00:00.000001Z"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("yesterday", 'cannot parse "yesterday" as "2006"'),
        ("", 'cannot parse "" as "2006"'),
        ("2024-03-01", 'cannot parse "" as "T"'),
        ("2024-03-01T10:00:00", 'cannot parse "" as "Z07:00"'),
        ("2024-13-01T10:00:00Z", "month out of range"),
        ("2024-02-30T10:00:00Z", "day out of range"),
        ("2024-02-01T24:00:00Z", "hour out of range"),
        ("2024-03-01T10:00:00Zoo", 'extra text: "oo"'),
    ],
)
def test_bad_times_are_told_in_the_words_of_go(text, message):
    with pytest.raises(Mismatch) as caught:
        scalars.time(text)
    assert str(caught.value).startswith(f'parsing time "{text}"')
    assert str(caught.value).endswith(message)


def test_a_micro_time_without_micros_is_refused():
    with pytest.raises(Mismatch) as caught:
        scalars.micro_time("2024-03-01T10:00:00Z")
    assert str(caught.value).endswith(
        'as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"'
    )


@pytest.mark.parametrize("text", ["", "YQ==", "YWI=", "YWJj", "+/+/"])
def test_base64_is_itself(text):
    assert scalars.base64(text) == text


def test_line_breaks_in_base64_are_dropped():
    assert scalars.base64("YW\r\nJj\n") == "YWJj"


@pytest.mark.parametrize(
    ("text", "offset"),
    [("%%%", 0), ("not base64!", 3), ("YQ", 0), ("YQ=", 3), ("YQ==x", 4), ("Y===", 1), ("é", 0)],
)
def test_bad_base64_is_told_with_its_offset(text, offset):
    with pytest.raises(Mismatch, match=f"illegal base64 data at input byte {offset}$"):
        scalars.base64(text)


def test_integers_have_their_size():
    assert scalars.int32(-(2**31)) == -(2**31)
    assert scalars.int64(2**63 - 1) == 2**63 - 1
    for convert, value in ((scalars.int32, 2**31), (scalars.int64, 2**63)):
        with pytest.raises(Mismatch):
            convert(value)
