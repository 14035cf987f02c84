"""What an expression may cost, from the sizes of what it looks at."""

from __future__ import annotations

import pytest

from roost.api.cel.environment import Environment, build
from roost.api.cel.types import BOOL, DYN, INT, STRING, Field, list_of, map_of, object_of

_TEXT = STRING.sized(100)
SELF = object_of(
    "selfType",
    {
        name: Field(of, name)
        for name, of in {
            "flags": list_of(BOOL).sized(100),
            "rows": list_of(list_of(BOOL).sized(10)).sized(50),
            "n": INT,
            "text": _TEXT,
            "names": list_of(_TEXT).sized(20),
            "map": map_of(STRING.sized(0), _TEXT).sized(30),
        }.items()
    },
)
ENVIRONMENT = Environment({"self": SELF})


@pytest.mark.parametrize(
    ("expression", "cost"),
    [
        ("true", 0),
        ("has(self.text)", 1),
        ("self.n > 5", 3),
        ("self.n == 5", 2),  # a number of a schema has no size of its own
        ("self.text == 'abc'", 3),
        ("self.text == self.text", 14),
        ("self.flags.all(x, true)", 2 + 100 * 3 + 1),
        ("self.flags.exists(x, true)", 2 + 100 * 4 + 1),
        ("self.rows.all(x, x.all(y, true))", 2 + 50 * (3 + 1 + 10 * 3 + 1) + 1),
        ("self.flags.map(x, 1).size() == 1", 2 + 10 + 100 * 12 + 1 + 1 + 1),
        ("self.flags.filter(x, true).size() == 1", 2 + 10 + 100 * 13 + 1 + 1 + 1),
        ("self.flags.exists_one(x, true)", 2 + 100 * 2 + 2),
        ("self.n == 1 && self.n == 2 || self.n == 3", 6),
        ("self.n == 1 ? self.text == 'abc' : true", 2 + 3),
        ("self.text.startsWith('abc')", 2 + 1),
        ("self.text.contains('abc')", 2 + 10 * 1),
        ("self.text.matches('^abcdefgh$')", 2 + 11 * 3),
        ("self.text.lowerAscii() == 'abc'", 2 + 10 + 1),
        ("self.text.replace('a', 'bb') == self.text", 2 + 20 + 2 + 10),
        ("self.text.split(',').size() > 1", 2 + 20 + 1 + 1),
        ("self.names.join(',') == 'abc'", 2 + 202 + 1),
        ("self.names.isSorted()", 2 + 20 * 11),
        ("self.flags == [true]", 2 + 10 + 1),
        ("self.text in ['a', 'b']", 2 + 10 + 2),
        ("self.text in self.map", 2 + 2 + 1),
        ("self.map.all(k, k.contains('abc'))", 2 + 30 * (3 + 1) + 1),
        ("self.map.all(k, self.map[k].size() > 1)", 2 + 30 * (3 + 4 + 1 + 1) + 1),
        ("isIP(self.text) && isQuantity(self.text) && isURL(self.text)", 9),
        ("url(self.text).getHost() == 'abc'", 2 + 10 + 1 + 1),
        ("ip(self.text) == ip('::1')", 3 + 1 + 1),
        ("cidr(self.text).containsIP('10.0.0.1')", 3 + 4 + 1),
        ("format.dns1123Label().validate(self.text).hasValue()", 1 + 2 + 320 + 1),
        ("sets.contains(self.names, ['a'])", 2 + 10 + 20 + 1),
        ("self.?text.optMap(t, t.size() > 1).orValue(true)", 2 + 1 + 2 + 1 + 10 + 3 + 1 + 1),
    ],
)
def test_cost(expression: str, cost: int) -> None:
    assert build(expression, ENVIRONMENT).max_cost() == cost


def test_names_of_types_are_as_large_as_the_whole() -> None:
    environment = Environment({"self": DYN.sized(1000)})
    assert build("type(self) == int", environment).max_cost() == 2 + 1 + 100
