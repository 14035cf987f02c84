"""The simulated shell, without a cluster: its grammar, and what its words become."""

from __future__ import annotations

import asyncio

import pytest

from roost.simulation.workloads.conditions import holds
from roost.simulation.workloads.expansion import evaluate, expand
from roost.simulation.workloads.script import Condition, Script, Simple, Unknown
from roost.simulation.workloads.syntax import parse


class Around:
    """expansion.Surroundings of a few variables and files."""

    files = {"/d": ["a.txt", "b.txt", ".c"], ".": ["x"]}

    def __init__(self, **values: str) -> None:
        self.values = values

    def value(self, name: str) -> str | None:
        return self.values.get(name)

    def arguments(self) -> list[str]:
        return ["one two", "three"]

    def assign(self, name: str, value: str) -> None:
        self.values[name] = value

    async def printed(self, script: Script) -> str:
        return "printed out\n\n"

    def names_in(self, folder: str) -> list[str]:
        return self.files.get(folder.rstrip("/"), [])


def words(text: str, **values: str) -> list[str]:
    command = parse(text).steps[0].pipe.commands[0]
    assert isinstance(command, Simple)
    return asyncio.run(expand(command.words, Around(**values)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a 'b c' \"d $X\"", ["a", "b c", "d 1 2"]),
        ("$X-", ["1", "2-"]),
        ('"$X"', ["1 2"]),
        ("$EMPTY '' \"$EMPTY\"", ["", ""]),
        ('"$@"', ["one two", "three"]),
        ('x"$@"y', ["xone two", "threey"]),
        ("$(cmd)", ["printed", "out"]),
        ('"$(cmd)"', ["printed out"]),
        ("${N:-d} ${X:+set} ${#X} ${P##*/} ${P%/*}", ["d", "set", "3", "c", "/a/b"]),
        ("/d/*.txt", ["/d/a.txt", "/d/b.txt"]),
        ("'/d/*.txt' /d/*.no", ["/d/*.txt", "/d/*.no"]),
        ("a\\ b \\$X", ["a b", "$X"]),
        ("$((2 + 3 * N2)) $((7 / 2)) $((1 < 2 && 0))", ["14", "3", "0"]),
        ("a # b", ["a"]),
        ("a#b", ["a#b"]),
    ],
)
def test_words(text: str, expected: list[str]):
    assert words(text, X="1 2", EMPTY="", P="/a/b/c", N2="4") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[ $X ]]", True),
        ("[[ -z $NONE ]]", True),
        ("[[ $X == '1 2' ]]", True),
        ("[[ $X != 1* ]]", False),
        ("[[ $X == '1*' ]]", False),
        ("[[ $P =~ ^/a/.$ ]]", False),
        ("[[ $P =~ ^/a/./c$ ]]", True),
        ("[[ a < b && ! b < a ]]", True),
        ("[[ -n '' || $N2 -gt 3 && -n x ]]", True),
        ("[[ ( -n x || -n y ) && -n '' ]]", False),
    ],
)
def test_conditions(text: str, expected: bool):
    command = parse(text).steps[0].pipe.commands[0]
    assert isinstance(command, Condition)

    def truth(words: list[str]) -> bool:
        match words:
            case ["-z", word]:
                return not word
            case [one, "-gt", other]:
                return int(one) > int(other)
        return bool(words[-1])

    around = Around(X="1 2", P="/a/b/c", N2="4")
    assert asyncio.run(holds(command.test, around, truth)) is expected


@pytest.mark.parametrize(
    "text",
    ["if true; then", "while x; do y", "a |", "a &&", "( a", "echo 'a", "done", "a ;; b", "a > ",
     "cat << E", "[[ a", "[[ ]]", "[[ a && ]]", "[[ a | b ]]", "function f"],
)  # fmt: skip
def test_what_is_no_script_is_refused(text: str):
    with pytest.raises(Unknown):
        parse(text)


def test_sums_that_are_none():
    for text in ("1 +", "1 / 0", "'a'", "f(1)"):
        with pytest.raises(Unknown):
            evaluate(text, lambda _name: None)
