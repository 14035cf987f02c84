"""What an expression does with constants is done once, when it is made ready to run; what fails then
is told whoever wrote the expression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from roost.api.cel.functions import conversions
from roost.api.cel.literals import below
from roost.api.cel.nodes import Call, ListNode, Literal, Node
from roost.api.cel.values import EvaluationError
from roost.api.regex.faults import BadPattern
from roost.api.regex.patterns import compiled

_CONVERSIONS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "bool": conversions.to_bool,
    "bytes": conversions.to_bytes,
    "double": conversions.to_double,
    "duration": conversions.to_duration,
    "dyn": conversions.to_dyn,
    "int": conversions.to_int,
    "string": conversions.to_string,
    "timestamp": conversions.to_timestamp,
    "uint": conversions.to_uint,
}
_PATTERNS: Final = ("find", "findAll", "matches")
_VARIES: Final = object()


def constant_fault(tree: Node) -> str:
    """Return why an expression cannot be made ready to run, "" if it can."""
    try:
        _value(tree)
    except (EvaluationError, BadPattern) as error:
        return str(error)
    return ""


def _value(node: Node) -> Any:
    """Return what an expression always is, or _VARIES. Raises EvaluationError and BadPattern."""
    if isinstance(node, Literal):
        return node.value
    values = [_value(part) for part in below(node)]
    if isinstance(node, ListNode) and not node.optional:
        return _VARIES if any(value is _VARIES for value in values) else values
    if isinstance(node, Call) and node.function in _PATTERNS and len(values) > 1:
        if isinstance(values[1], str):
            compiled(values[1])
    elif isinstance(node, Call) and node.function in _CONVERSIONS and len(values) == 1:
        return _VARIES if values[0] is _VARIES else _CONVERSIONS[node.function](values[0])
    return _VARIES
