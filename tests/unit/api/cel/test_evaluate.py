"""What expressions are worth."""

from __future__ import annotations

from typing import Any

import pytest

from roost.api.cel import environment
from roost.api.cel.environment import CompileError, Environment
from roost.api.cel.functions.authorization import Authority, Question
from roost.api.cel.library import AUTHORIZER
from roost.api.cel.types import DYN, INT
from roost.api.cel.values import CostExceeded, EvaluationError, Timestamp

ENVIRONMENT = Environment({"self": DYN, "n": INT, "authorizer": AUTHORIZER})
SELF = {"a": {"b": 1}, "list": [3, 1, 2], "text": "abc", "ratio": 1.5, "none": None}


def value(expression: str, **more: Any) -> Any:
    return environment.compile(expression, ENVIRONMENT).evaluate({"self": SELF, "n": 2, **more})


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3 == 7 && -n == -2", True),
        ("7 / 2 == 3 && -7 / 2 == -3 && -7 % 3 == -1", True),
        ("has(self.a.b) && !has(self.a.c)", True),
        ("self.zz == 1 || true", True),
        ("false && self.zz", False),
        ("n > 1 ? 'more' : 'less'", "more"),
        ("self.list.all(x, x > 0) && self.list.exists(x, x == 2)", True),
        ("self.list.exists_one(x, x > 2)", True),
        ("self.list.map(x, x > 1, x * 2)", [6, 4]),
        ("self.list.filter(x, x != 1)", [3, 2]),
        ("self.a.all(k, v, k == 'b' && v == 1)", True),
        ("self.list.transformList(i, v, i + v)", [3, 2, 4]),
        ("{'x': 1}.transformMap(k, v, v + 1)", {"x": 2}),
        ("self.?a.?zz.orValue(5)", 5),
        ("self.?a.?b.optMap(x, x + 1).value()", 2),
        ("[?self.?zz, self.a.b]", [1]),
        ("type(n) == int && type(self.ratio) == double", True),
        ("dyn(1) == 1.0 && !(dyn(true) == 1) && 1 < 1.5", True),
        ("'a' in ['a', 'b'] && 'b' in self.a && !(true in [1].map(x, dyn(x)))", True),
        ("'A,b'.lowerAscii().split(',').join('-')", "a-b"),
        ("'hello'.substring(1, 3) + 'hello'.charAt(4)", "elo"),
        ("'a1b22'.findAll('[0-9]+')", ["1", "22"]),
        ("[1, 3].isSorted() && [1, 3].sum() == 4 && [1, 3].max() == 3", True),
        ("sets.equivalent([1, 2], [2, 1, 1]) && sets.contains([1, 2], [2])", True),
        ("quantity('1Gi').isGreaterThan(quantity('900Mi'))", True),
        ("quantity('100m').add(quantity('1')).compareTo(quantity('1.1')) == 0", True),
        ("semver('1.2.3-rc.1').isLessThan(semver('1.2.3')) && !isSemver('1.2')", True),
        ("cidr('10.0.0.0/8').containsIP('10.1.2.3') && ip('::1').isLoopback()", True),
        ("url('https://a.b:80/c?d=e').getHostname()", "a.b"),
        ("format.dns1123Label().validate('Bad').hasValue()", True),
        ("duration('90m').getHours() + timestamp('2024-02-03T04:05:06Z').getDayOfMonth()", 3),
        ("timestamp('2024-01-01T00:00:00Z') + duration('1h')", Timestamp(1704070800 * 10**9)),
        ("type(ip('::1')) == net.IP", True),
        ("url('HTTP://u@[::1]:80/a?b=c#d').getScheme()", "http"),
        ("url('http://[::1]:80/a').getHostname() + url('http://a:8/').getPort()", "::18"),
        ("'%s %d %%'.format([self.text, n])", "abc 2 %"),
        ("'%s'.format([self.list])", "[3, 1, 2]"),
        ("'%s'.format([['a', self.text]])", '["a", "abc"]'),
        ("'%s'.format([{'k': duration('1s')}])", '{"k":duration("1s")}'),
        ("'%s %s'.format([dyn(null), 1.5])", "null 1.5"),
        ("'%.2f %f'.format([1234.5, dyn('NaN')])", "1,234.50 NaN"),
        ("'%e'.format([1052.032911275])", "1.052033\u202f\u00d7\u202f10\u2070\u00b3"),
        ("'%x %X %o %b %b'.format([255, dyn('k'), 8, 5, dyn(true)])", "ff 6B 10 101 1"),
    ],
)
def test_value(expression: str, expected: Any) -> None:
    assert value(expression) == expected


def test_names_for_values_need_an_environment_with_them() -> None:
    binding = "cel.bind(x, n, x + x)"
    with pytest.raises(CompileError, match="undeclared reference to 'cel'"):
        value(binding)
    program = environment.compile(binding, Environment({"n": INT}, binds=True))
    assert program.evaluate({"n": 2}) == 4


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("self.zz", "no such key: zz"),
        ("self.list[7]", "index out of bounds: 7"),
        ("n / 0", "division by zero"),
        ("9223372036854775807 + n", "integer overflow"),
        ("int('x' + '')", "type conversion error from 'string' to 'int'"),
        ("uint('-1')", "type conversion error from 'string' to 'uint'"),
        ("double('1_0')", "type conversion error from 'string' to 'double'"),
        ("bool('yes')", "type conversion error from 'string' to 'bool'"),
        (
            "timestamp(self.text)",
            "type conversion error from 'string' to 'google.protobuf.Timestamp'",
        ),
        (
            "duration(self.text)",
            "type conversion error from 'string' to 'google.protobuf.Duration'",
        ),
        (
            "ip('1.2.3')",
            (
                'IP Address "1.2.3" parse error during conversion from string: '
                'ParseAddr("1.2.3"): IPv4 address too short'
            ),
        ),
        ("ip('fe80::1%eth0')", 'IP address "fe80::1%eth0" with zone value is not allowed'),
        (
            "cidr('1.2.3.4/33')",
            (
                "network address parse error during conversion from string: network address parse error "
                'during conversion from string: netip.ParsePrefix("1.2.3.4/33"): '
                "prefix length out of range"
            ),
        ),
        (
            "url('http://a b/')",
            (
                'URL parse error during conversion from string: parse "http://a b/": '
                'invalid character " " in host name'
            ),
        ),
        (
            "('%d' + '').format([self.text])",
            (
                "error during formatting: decimal clause can only be "
                "used on integers, was given string"
            ),
        ),
        ("'a'.find('(' + '(')", "Illegal regex: error parsing regexp: missing closing ): `((`"),
        ("semver('1.2')", "No Major.Minor.Patch elements found"),
        ("semver('v1.2.3')", 'Invalid character(s) found in major number "v1"'),
        ("semver('1.02.3')", 'Minor number must not contain leading zeroes "02"'),
        ("semver('1.2.')", 'strconv.ParseUint: parsing "": invalid syntax'),
        ("semver('1.2.3-01')", 'Numeric PreRelease version must not contain leading zeroes "01"'),
        ("semver('1.2.3-')", "Prerelease is empty"),
        ("semver('1.2.3+a_b')", 'Invalid character(s) found in build meta data "a_b"'),
        ("('%d %d' + '').format([n])", "index 1 out of range"),
        ("('%' + '').format([n])", "unexpected end of string"),
        (
            "('%z' + '').format([n])",
            'could not parse formatting clause: unrecognized formatting clause "z"',
        ),
        ("self.text < 1", "no such overload"),
        ("self.text && true", "no such overload"),
        ("optional.none().value()", "optional.none() dereference"),
        (
            "'a'.matches('(?=' + 'b)')",
            "error parsing regexp: invalid or unsupported Perl syntax: `(?=`",
        ),
    ],
)
def test_failure(expression: str, problem: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        value(expression)
    assert str(caught.value) == problem


def test_cost_is_bounded() -> None:
    program = environment.compile("[1, 2, 3].all(x, [1, 2, 3].all(y, x + y > 0))", ENVIRONMENT)
    _, cost = program.measure({})
    assert cost > 30
    with pytest.raises(CostExceeded):
        program.evaluate({}, limit=30)


@pytest.mark.parametrize(
    ("expression", "cost"),
    [
        ("self.startsWith('a')", 2),  # the text is not read further than the prefix
        ("self.replace('a', 'b') == 'c'", 1 + 20 + 1),
    ],
)
def test_cost_of_a_run(expression: str, cost: int) -> None:
    program = environment.compile(expression, Environment({"self": DYN}))
    assert program.measure({"self": "x" * 100})[1] == cost


def test_running_out_is_not_hidden_by_a_logical_operator() -> None:
    program = environment.compile("[1, 2, 3].all(x, x > 0) || true", ENVIRONMENT)
    with pytest.raises(CostExceeded):
        program.evaluate({}, limit=12)


def test_authorizer_asks_what_was_named() -> None:
    asked: list[Question] = []

    def ask(question: Question) -> tuple[bool, str, str]:
        asked.append(question)
        return (question.verb == "get", "so it is", "")

    expression = (
        "authorizer.serviceAccount('ns', 'sa').group('apps').resource('deployments').namespace('ns')"
        ".name('d').check('get').allowed() && !authorizer.path('/healthz').check('post').allowed()"
    )
    assert value(expression, authorizer=Authority(ask)) is True
    assert asked[0] == Question("get", "apps", "deployments", "", "ns", "d", user=("ns", "sa"))
    assert asked[1].path == "/healthz"


def test_programs_are_kept() -> None:
    assert environment.compile("n + 1", ENVIRONMENT) is environment.compile("n + 1", ENVIRONMENT)
