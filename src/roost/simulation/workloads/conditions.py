"""What `[[ ... ]]` and `case` of a script decide. Pure but for the surroundings of expansions."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence

from roost.simulation.workloads.expansion import Surroundings, expand_one, expand_pattern
from roost.simulation.workloads.script import Both, Case, Not, Script, Test, Unknown, Word

#: Says whether the words of `test` are true; raises ValueError for what it does not know.
Truth = Callable[[list[str]], bool]


async def holds(test: Test | Not | Both, around: Surroundings, truth: Truth) -> bool:
    """Return whether a condition holds; raises Unknown."""
    match test:
        case Not(inner):
            return not await holds(inner, around, truth)
        case Both(operator, first, second):
            if await holds(first, around, truth) is (operator == "||"):
                return operator == "||"
            return await holds(second, around, truth)
        case Test(words):
            try:
                return await _true(words, around, truth)
            except (ValueError, re.error) as error:
                raise Unknown(f"[[: {error}") from error


async def _true(words: Sequence[Word], around: Surroundings, truth: Truth) -> bool:
    """Return whether one comparison or question is true: no word is split or names files."""
    texts = [await expand_one(word, around) for word in words]
    match texts:
        case [one, ("=" | "==" | "!=") as operator, _]:
            pattern = await expand_pattern(words[2], around)
            return fnmatch.fnmatchcase(one, pattern) is (operator != "!=")
        case [one, "=~", expression]:
            return re.search(expression, one) is not None
        case [one, "<", other]:
            return one < other
        case [one, ">", other]:
            return one > other
    return truth(texts)


async def body_of(case: Case, around: Surroundings) -> Script:
    """Return the first body of which a pattern fits, an empty one if there is none."""
    value = await expand_one(case.word, around)
    for patterns, body in case.branches:
        for pattern in patterns:
            if fnmatch.fnmatchcase(value, await expand_pattern(pattern, around)):
                return body
    return Script()
