"""The macros of CEL: calls that are syntax, because they bind a name or ask for a field."""

from __future__ import annotations

from roost.api.cel.issues import Issue
from roost.api.cel.nodes import Bind, Call, Comprehension, Ident, Node, Select

# name -> the numbers of arguments that make it a macro
_COMPREHENSIONS = {
    "all": (2, 3),
    "exists": (2, 3),
    "exists_one": (2, 3),
    "existsOne": (2, 3),
    "map": (2, 3),
    "filter": (2,),
    "transformList": (3, 4),
    "transformMap": (3, 4),
    "transformMapEntry": (3, 4),
    "sortBy": (2,),
}
_OPTIONAL = {"optMap": "map", "optFlatMap": "flatMap"}


def expand(call: Call, issues: list[Issue], *, binds: bool) -> Node | None:
    """What the call stands for, or None when it is an ordinary call."""
    if call.target is None:
        return _has(call, issues) if call.function == "has" and len(call.args) == 1 else None
    count = len(call.args)
    if count in _COMPREHENSIONS.get(call.function, ()):
        return _comprehension(call, call.target, issues)
    if call.function in _OPTIONAL and count == 2:
        name = _name(call.args[0], issues, "optMap() variable name must be a simple identifier")
        return Bind(_OPTIONAL[call.function], name, call.target, call.args[1], call.at)
    is_bind = (
        binds
        and call.function == "bind"
        and isinstance(call.target, Ident)
        and call.target.name == "cel"
    )
    if is_bind and count == 3:
        name = _name(call.args[0], issues, "cel.bind() variable names must be simple identifiers")
        return Bind("bind", name, call.args[1], call.args[2], call.at)
    return None


def _has(call: Call, issues: list[Issue]) -> Node | None:
    field = call.args[0]
    if isinstance(field, Select) and not field.test and not field.optional:
        return Select(field.operand, field.field, call.at, test=True)
    issues.append(Issue(field.at, "invalid argument to has() macro"))
    return None


def _comprehension(call: Call, target: Node, issues: list[Issue]) -> Node:
    args = call.args
    macro = "exists_one" if call.function == "existsOne" else call.function
    two = macro.startswith("transform") or (len(args) == 3 and macro != "map")
    variables = [_name(args[0], issues)]
    if two:
        variables.append(_name(args[1], issues))
        if variables[0] == variables[1]:
            issues.append(Issue(args[1].at, f"duplicate variable name: {variables[1]}"))
    rest = args[len(variables) :]
    condition = rest[0] if len(rest) == 2 else None
    return Comprehension(macro, target, tuple(variables), condition, rest[-1], call.at)


def _name(
    node: Node, issues: list[Issue], complaint: str = "argument must be a simple name"
) -> str:
    if isinstance(node, Ident) and not node.name.startswith("."):
        return node.name
    issues.append(Issue(node.at, complaint))
    return "_"
