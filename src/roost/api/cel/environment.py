"""The entrance: an environment says what an expression may name; `compile` makes a program that can
be run.

    ADMISSION = Environment({"object": DYN, "oldObject": DYN})
    program = compile("object.spec.replicas < 5", ADMISSION)        # raises CompileError
    program.evaluate({"object": {...}, "oldObject": None})          # raises EvaluationError

Values go in as JSON's, and come out as roost.api.cel.values describes. Programs are kept, so
compiling the same expression again costs a look-up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from roost.api.cel.checker import Checked, Checker
from roost.api.cel.converting import converter
from roost.api.cel.estimating import max_cost
from roost.api.cel.evaluator import MISSING, Compiler, Lazy
from roost.api.cel.functions.declare import Library
from roost.api.cel.issues import CompileError, Issue
from roost.api.cel.literals import literal_issues
from roost.api.cel.nodes import Node
from roost.api.cel.parser import parse
from roost.api.cel.running import Run
from roost.api.cel.types import Type
from roost.api.cel.values import EvaluationError

PER_CALL_LIMIT = 1_000_000
_KEPT = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Environment:
    """Variables by name; `structures` are types an expression may build, by the first word of their
    names. Compared by identity: keep one, do not build one for each use.
    """

    variables: Mapping[str, Type]
    structures: Mapping[str, Type] = field(default_factory=dict)
    library: Library | None = None  # None: the usual functions
    #: May expressions name values, by cel.bind?
    binds: bool = False


class Program:
    """A checked expression, ready to run unless it has a `fault`."""

    __slots__ = (
        "_convert",
        "_names",
        "_size",
        "_step",
        "_variables",
        "checked",
        "fault",
        "result",
        "source",
        "tree",
    )

    def __init__(
        self, source: str, tree: Node, checked: Checked, variables: Mapping[str, Type]
    ) -> None:
        self.source, self.tree, self.checked = source, tree, checked
        self.result: Type = checked.types[tree]
        # The functions are loaded with the first expression: most clusters in tests have none.
        from roost.api.cel.folding import constant_fault

        #: Why the expression cannot be run, for all that fits its types; "" for most.
        self.fault = constant_fault(tree)
        compiler = Compiler(checked, variables)
        self._variables = variables
        self._step = compiler.step(tree)
        self._names = tuple(compiler.slots.items())
        self._size = compiler.size
        self._convert = {n: c for n in compiler.slots if (c := converter(variables[n])) is not None}

    @property
    def variables(self) -> frozenset[str]:
        """The variables that the expression names."""
        return frozenset(name for name, _ in self._names)

    def max_cost(self) -> int:
        """The highest cost that an evaluation can have, by the sizes that the variables' types
        allow.
        """
        return max_cost(self.tree, self.checked, self._variables)

    def evaluate(self, bindings: Mapping[str, Any], limit: int = PER_CALL_LIMIT) -> Any:
        """The value. Raises EvaluationError, and CostExceeded when it costs more than `limit`."""
        return self.measure(bindings, limit)[0]

    def measure(self, bindings: Mapping[str, Any], limit: int = PER_CALL_LIMIT) -> tuple[Any, int]:
        """The value and what it cost. Raises as `evaluate` does; the error then carries `cost`."""
        values = [MISSING] * self._size
        run = Run(values, limit)
        try:
            for name, place in self._names:
                value = bindings.get(name, MISSING)
                convert = self._convert.get(name)
                values[place] = value if convert is None or value is MISSING else convert(value)
            return self._step(run), run.cost
        except EvaluationError:
            raise
        except RecursionError:
            raise EvaluationError("expression nested too deeply") from None
        except (TypeError, AttributeError, KeyError, ValueError, IndexError, OverflowError):
            raise EvaluationError("no such overload") from None


def compile(  # noqa: A001 - what it is called everywhere
    expression: str, environment: Environment
) -> Program:
    """Parses and checks. Raises CompileError, whose text says everything that is wrong."""
    outcome = _compiled(expression, environment)
    if isinstance(outcome, CompileError):
        raise outcome
    return outcome


def build(expression: str, environment: Environment) -> Program:
    """Compile as `compile` does, without keeping: for whoever keeps programs himself. Raises
    CompileError.
    """
    # The functions are loaded with the first expression: most clusters in tests have none.
    from roost.api.cel.library import LIBRARY, TYPE_NAMES

    try:
        tree = parse(expression, binds=environment.binds)
        checker = Checker(
            expression,
            environment.variables,
            environment.library or LIBRARY,
            TYPE_NAMES,
            environment.structures,
        )
        checked = checker.check(tree)
        issues = literal_issues(tree, checked)
        if issues:
            raise CompileError(expression, issues)
        return Program(expression, tree, checked, environment.variables)
    except RecursionError:
        issue = Issue(0, "expression recursion limit exceeded: 250")
        raise CompileError(expression, [issue]) from None


@lru_cache(maxsize=_KEPT)
def _compiled(expression: str, environment: Environment) -> Program | CompileError:
    try:
        return build(expression, environment)
    except CompileError as error:
        return error


__all__ = ["CompileError", "Environment", "EvaluationError", "Lazy", "Program", "build", "compile"]
