import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.api.schema.syntax import problem


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "unexpected end of JSON input"),
        (b"  ", "unexpected end of JSON input"),
        (b"[", "unexpected end of JSON input"),
        (b'{"a"', "unexpected end of JSON input"),
        (b'"abc', "unexpected end of JSON input"),
        (b"-", "unexpected end of JSON input"),
        (b"x", "invalid character 'x' looking for beginning of value"),
        (b"[1,]", "invalid character ']' looking for beginning of value"),
        (b"{,}", "invalid character ',' looking for beginning of object key string"),
        (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"1 2", "invalid character '2' after top-level value"),
        (b'"a\nb"', "invalid character '\\n' in string literal"),
        (b'"\\x"', "invalid character 'x' in string escape code"),
        (b'"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
        (b"trux", "invalid character 'x' in literal true (expecting 'e')"),
        (b"nul", "unexpected end of JSON input"),
        (b"-a", "invalid character 'a' in numeric literal"),
        (b"1.x", "invalid character 'x' after decimal point in numeric literal"),
        (b"1ex", "invalid character 'x' in exponent of numeric literal"),
        (b"01", "invalid character '1' after top-level value"),
        (b"'a'", "invalid character '\\'' looking for beginning of value"),
        (b"\xff", "invalid character '\u00ff' looking for beginning of value"),
    ],
)
def test_problems_are_told_in_the_words_of_go(text, message):
    assert problem(text) == message


@pytest.mark.parametrize("text", [b" {} ", b"[[], {}]", b'"\\u00e9\\n"', b"-0.5e+3", b"null"])
def test_json_has_no_problem(text):
    assert problem(text) is None


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)  # fmt: skip
def test_whatever_python_writes_has_no_problem(value):
    assert problem(json.dumps(value).encode()) is None
    assert problem(json.dumps(value, indent=1, ensure_ascii=False).encode()) is None


@given(st.binary(max_size=40))
def test_the_scanner_and_python_agree_on_what_is_json(raw):
    try:
        json.loads(raw.decode("latin-1"), parse_constant=_refuse)
    except ValueError:
        assert problem(raw) is not None
    else:
        assert problem(raw) is None


def _refuse(name):
    raise ValueError(name)
