"""What is wrong with an expression is said in the words of cel-go."""

from __future__ import annotations

import contextlib

import pytest

from roost.api.cel.environment import CompileError, Environment, build
from roost.api.cel.types import BOOL, DYN, INT, STRING, Field, object_of

SELF = object_of("selfType", {"a": Field(INT, "a"), "s": Field(STRING, "s")})
ENVIRONMENT = Environment({"self": SELF, "any": DYN, "b": BOOL})
_OPERAND = (
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, "
    "BYTES, IDENTIFIER}"
)


@pytest.mark.parametrize(
    ("expression", "place", "message"),
    [
        ("self.a >", "1:9", f"Syntax error: mismatched input '<EOF>' expecting {_OPERAND}"),
        ("any.(", "1:5", "Syntax error: no viable alternative at input '.('"),
        ("1 + 2\n3 +", "2:1", "Syntax error: mismatched input '3' expecting <EOF>"),
        ("b b", "1:3", "Syntax error: extraneous input 'b' expecting <EOF>"),
        ("'abc", "1:1", "Syntax error: token recognition error at: ''abc'"),
        ("'a\nb' == any", "1:1", "Syntax error: token recognition error at: ''a"),
        ("any == 1e400", "1:8", "invalid double literal"),
        (r"any == '\q'", "1:8", r"Syntax error: token recognition error at: ''\q'"),
        (r"any == 'a\x4z'", "1:8", r"Syntax error: token recognition error at: ''a\x4z'"),
        (r"any == '\400'", "1:8", r"Syntax error: token recognition error at: ''\4'"),
        (r"any == '\07'", "1:8", r"Syntax error: token recognition error at: ''\07''"),
        (r"any == b'\u12'", "1:9", r"Syntax error: token recognition error at: ''\u12''"),
        (r"any == '\ud800'", "1:8", "invalid unicode code point"),
        (r"any == b'\u00ff'", "1:8", "unable to unescape string"),
        ("self.zz > 1", "1:5", "undefined field 'zz'"),
        ("duration('1x') == any", "1:10", "invalid duration argument"),
        ("[1].all(x, timestamp('x') == any)", "1:22", "invalid timestamp argument"),
        ("self.s.matches('(')", "1:16", "invalid matches argument"),
        ("self.a == 'x'", "1:8", "found no matching overload for '_==_' applied to '(int, string)'"),
        ("self.a.f()", "1:9", "undeclared reference to 'f' (in container '')"),
        ("self.a.size()", "1:12", "found no matching overload for 'size' applied to 'int.()'"),
        ("x", "1:1", "undeclared reference to 'x' (in container '')"),
        ("self.a.b", "1:7", "type 'int' does not support field selection"),
        ("has(b)", "1:5", "invalid argument to has() macro"),
        ("[1].all(2, true)", "1:9", "argument must be a simple name"),
        ("[1, 'a'].size()", "1:5", "expected type 'int' but found 'string'"),
        ("self.s.all(x, true)", "1:5", ("expression of type 'string' cannot be range of a "
         "comprehension (must be list, map, or dynamic)")),
        ("any in ['a', any]", "1:14", "expected type 'string' but found 'dyn'"),
        ("{'a': any, 'b': 1} == any", "1:17", "expected type 'dyn' but found 'int'"),
        ("'%d'.format(['a'])", "1:14", ("error during formatting: decimal clause can only be used on "
         "integers, was given string")),
        ("'%s'.format([[ip('::1')]])", "1:17", ("error during formatting: string clause can only be "
         "used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, "
         "was given net.IP")),
        ("'%d %d'.format([1])", "1:15", "index 1 out of range"),
        ("'%d'.format([1, any])", "1:12",
         "too many arguments supplied to string.format (expected 1, got 2)"),
        ("'%'.format([])", "1:11", "unexpected end of string"),
        ("'%.f'.format([1.0])", "1:13", ("could not parse formatting clause: error while parsing "
         "precision: error while converting precision to integer: "
         'strconv.Atoi: parsing "": invalid syntax')),
        ("has(any.?a)", "1:8", "invalid argument to has() macro"),
        ("[1].flatten()", "1:12", "found no matching overload for 'flatten' applied to 'list(int).()'"),
        ("self.s.reverse()", "1:15",
         "found no matching overload for 'reverse' applied to 'string.()'"),
        ("cel.bind(x, 1, any)", "1:1", "undeclared reference to 'cel' (in container '')"),
        ("[1].exists(x, x)", "1:11", "found no matching overload for '_||_' applied to '(bool, int)'"),
    ],
)  # fmt: skip
def test_message(expression: str, place: str, message: str) -> None:
    with pytest.raises(CompileError) as caught:
        build(expression, ENVIRONMENT)
    first = str(caught.value).split("\n")[0]
    assert first == f"ERROR: <input>:{place}: {message}"


@pytest.mark.parametrize(
    "expression",
    ["'%s %d'.format([any, 1])", "'%s'.format([['a', any]])", "['a', 'b'].all(x, any in [x])"],
)
def test_what_fits(expression: str) -> None:
    build(expression, ENVIRONMENT)


def test_the_line_and_a_mark_under_it() -> None:
    with pytest.raises(CompileError) as caught:
        build("b &&\nself.zz", ENVIRONMENT)
    assert str(caught.value) == "ERROR: <input>:2:5: undefined field 'zz'\n | self.zz\n | ....^"


@pytest.mark.parametrize(
    "expression", ["(" * 300 + "1" + ")" * 300, "!" * 5000 + "b", "-" * 5001 + "self.a", "[" * 400]
)
def test_depth_is_bounded(expression: str) -> None:
    with contextlib.suppress(CompileError):
        build(expression, ENVIRONMENT)
