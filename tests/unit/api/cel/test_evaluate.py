"""What expressions are worth."""

from __future__ import annotations

from typing import Any

import pytest

from roost.api.cel import environment
from roost.api.cel.environment import Environment
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
        ("[?self.?zz, 1]", [1]),
        ("cel.bind(x, self.a.b, x + x)", 2),
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
    ],
)
def test_value(expression: str, expected: Any) -> None:
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("self.zz", "no such key: zz"),
        ("self.list[7]", "index out of bounds: 7"),
        ("n / 0", "division by zero"),
        ("9223372036854775807 + n", "integer overflow"),
        ("int('x')", 'strconv.ParseInt: parsing "x": invalid syntax'),
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
