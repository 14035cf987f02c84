"""Text to syntax tree, by recursive descent; the complaints have the words of cel-go's generated
parser.
"""

from __future__ import annotations

import math

from roost.api.cel.issues import CompileError, Issue
from roost.api.cel.lexer import Token, string_of, tokens_of
from roost.api.cel.macros import expand
from roost.api.cel.nodes import (
    Call,
    Entry,
    Ident,
    ListNode,
    Literal,
    MapNode,
    Node,
    Select,
    StructNode,
)
from roost.api.cel.values import INT_MAX, UINT_MAX, Uint
from roost.api.numerals import whole

_MAX_DEPTH = 50
_MAX_SIZE = 100_000
_RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
_WORDS = {"true": True, "false": False, "null": None}
_STARTS = "'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
_OPERAND = "{'[', '{', '(', '.', '-', '!', " + _STARTS
_MEMBER = "{'[', '{', '(', '.', " + _STARTS
_ARGUMENT = "{'[', '{', '(', ')', '.', '-', '!', " + _STARTS
_OPERAND_TOKENS = frozenset(
    ["[", "{", "(", ".", "-", "!", "NUM_FLOAT", "NUM_INT", "NUM_UINT", "STRING", "NAME"]
)
_RELATIONS = frozenset(["<", "<=", ">", ">=", "==", "!=", "in"])


class _Abandoned(Exception):
    """Reading cannot go on; the issue is already noted."""


def parse(source: str, *, binds: bool = False) -> Node:
    """Raises CompileError. `binds` says whether cel.bind is a macro."""
    if len(source) > _MAX_SIZE:
        raise CompileError(
            source[:0],
            [
                Issue(
                    0,
                    f"expression code point size exceeds limit: size: {len(source)}, limit {_MAX_SIZE}",
                )
            ],
        )
    issues: list[Issue] = []
    parser = _Parser(tokens_of(source, issues), issues, binds)
    tree: Node | None = None
    try:
        tree = parser.whole()
    except _Abandoned:
        pass
    except RecursionError:
        issues.append(Issue(0, f"expression recursion limit exceeded: {_MAX_DEPTH * 5}"))
    if issues or tree is None:
        raise CompileError(source, issues)
    return tree


class _Parser:
    def __init__(self, tokens: list[Token], issues: list[Issue], binds: bool) -> None:
        self._binds = binds
        self._tokens = tokens
        self._issues = issues
        self._next = 0
        self._depth = 0

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _taken(self) -> Token:
        token = self._token
        if token.kind != "EOF":
            self._next += 1
        return token

    def _took(self, kind: str) -> Token | None:
        return self._taken() if self._token.kind == kind else None

    def _complain(self, message: str, at: int | None = None) -> None:
        self._issues.append(Issue(self._token.at if at is None else at, message))

    def _fail(self, expecting: str) -> _Abandoned:
        self._complain(f"Syntax error: mismatched input '{self._token.text}' expecting {expecting}")
        return _Abandoned()

    def _expect(self, kind: str, expecting: str) -> Token:
        if self._token.kind == kind:
            return self._taken()
        raise self._fail(expecting)

    def whole(self) -> Node:
        tree = self._expression()
        if self._token.kind == "EOF":
            return tree
        word = "extraneous" if self._tokens[self._next + 1].kind == "EOF" else "mismatched"
        self._complain(f"Syntax error: {word} input '{self._token.text}' expecting <EOF>")
        raise _Abandoned

    def _expression(self) -> Node:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self._complain(f"expression recursion limit exceeded: {_MAX_DEPTH}", 0)
            raise _Abandoned
        condition = self._or()
        if (mark := self._took("?")) is not None:
            yes = self._or()
            self._expect(":", "':'")
            no = self._expression()
            condition = Call("_?_:_", None, [condition, yes, no], mark.at)
        self._depth -= 1
        return condition

    def _or(self) -> Node:
        return self._balanced("||", "_||_", self._and)

    def _and(self) -> Node:
        return self._balanced("&&", "_&&_", self._relation)

    def _balanced(self, sign: str, name: str, below: object) -> Node:
        """A long chain becomes a balanced tree, so that its depth stays small."""
        assert callable(below)
        terms: list[Node] = [below()]
        places: list[int] = []
        while (token := self._took(sign)) is not None:
            places.append(token.at)
            terms.append(below())
        return _tree(name, terms, places, 0, len(terms) - 1)

    def _relation(self) -> Node:
        left = self._sum()
        while self._token.kind in _RELATIONS or self._token.text == "in":
            token = self._taken()
            name = "@in" if token.text == "in" else f"_{token.text}_"
            left = Call(name, None, [left, self._sum()], token.at)
        return left

    def _sum(self) -> Node:
        left = self._product()
        while self._token.kind in ("+", "-"):
            token = self._taken()
            left = Call(f"_{token.text}_", None, [left, self._product()], token.at)
        return left

    def _product(self) -> Node:
        left = self._unary()
        while self._token.kind in ("*", "/", "%"):
            token = self._taken()
            left = Call(f"_{token.text}_", None, [left, self._unary()], token.at)
        return left

    def _unary(self) -> Node:
        token = self._token
        if token.kind == "-" and self._tokens[self._next + 1].kind in ("NUM_INT", "NUM_FLOAT"):
            self._taken()
            return self._members(self._number(self._taken(), token.at, negative=True))
        if token.kind not in ("!", "-"):
            return self._members(self._primary())
        count = 0
        while self._took(token.kind) is not None:
            count += 1
        below = self._members(self._primary(_MEMBER))
        return Call(f"{token.kind}_", None, [below], token.at) if count % 2 else below

    def _members(self, node: Node) -> Node:
        while True:
            if (dot := self._took(".")) is not None:
                node = self._member(node, dot)
            elif (bracket := self._took("[")) is not None:
                optional = self._took("?") is not None
                index = self._expression()
                self._expect("]", "']'")
                node = Call("_[?_]" if optional else "_[_]", None, [node, index], bracket.at)
            else:
                return node

    def _member(self, node: Node, dot: Token) -> Node:
        optional = self._took("?") is not None
        name = self._token
        if name.kind not in ("NAME", "ESCAPED") or name.text in _WORDS or name.text == "in":
            self._complain(f"Syntax error: no viable alternative at input '.{name.text}'")
            raise _Abandoned
        self._taken()
        bracket = self._took("(") if not optional and name.kind == "NAME" else None
        if bracket is None:
            return Select(node, name.text.strip("`"), dot.at, optional=optional)
        args = self._arguments(")")
        return self._macro(Call(name.text, node, args, bracket.at))

    def _macro(self, call: Call) -> Node:
        expanded = expand(call, self._issues, binds=self._binds)
        return call if expanded is None else expanded

    def _arguments(self, end: str) -> list[Node]:
        args: list[Node] = []
        if self._took(end) is not None:
            return args
        if self._token.kind == "EOF":
            raise self._fail(_ARGUMENT)
        while True:
            args.append(self._expression())
            if self._took(",") is None:
                break
        self._expect(end, f"'{end}'")
        return args

    def _primary(self, expecting: str = _OPERAND) -> Node:
        token = self._token
        if token.kind in ("NAME", "."):
            return self._named()
        if token.kind == "(":
            self._taken()
            inner = self._expression()
            self._expect(")", "')'")
            return inner
        if token.kind == "[":
            return self._list()
        if token.kind == "{":
            self._taken()
            return MapNode(self._entries(structure=False), token.at)
        if token.kind == "STRING":
            self._taken()
            try:
                return Literal(string_of(token.text), token.at)
            except ValueError as error:
                self._complain(str(error), token.at)
                return Literal(token.text, token.at)
        if token.kind.startswith("NUM"):
            return self._number(self._taken(), token.at)
        return self._unexpected(expecting)

    def _unexpected(self, expecting: str) -> Node:
        after = self._tokens[min(self._next + 1, len(self._tokens) - 1)]
        if self._token.kind != "EOF" and after.kind in _OPERAND_TOKENS:
            self._complain(
                f"Syntax error: extraneous input '{self._token.text}' expecting {expecting}"
            )
            self._taken()
            return self._primary(expecting)
        raise self._fail(expecting)

    def _number(self, token: Token, at: int, *, negative: bool = False) -> Node:
        text = "-" + token.text if negative else token.text
        if token.kind == "NUM_FLOAT":
            if math.isinf(float(text)):
                self._complain("invalid double literal", at)
            return Literal(float(text), at)
        digits = text.rstrip("uU") if token.kind == "NUM_UINT" else text
        value = int(digits, 16) if "0x" in digits else whole(digits) or 0
        if token.kind == "NUM_UINT":
            if value > UINT_MAX:
                self._complain("invalid uint literal", at)
            return Literal(Uint(min(value, UINT_MAX)), at)
        if not -INT_MAX - 1 <= value <= INT_MAX:
            self._complain("invalid int literal", at)
        return Literal(value, at)

    def _named(self) -> Node:
        start = self._token
        leading = "." if self._took(".") is not None else ""
        token = self._token
        if token.kind != "NAME" or (leading and token.text in _WORDS):
            raise self._fail("IDENTIFIER")
        self._taken()
        if token.text in _WORDS:
            return Literal(_WORDS[token.text], token.at)
        if token.text == "in":
            self._next -= 1
            return self._unexpected(_OPERAND)
        if token.text in _RESERVED:
            self._complain(f"reserved identifier: {token.text}", token.at)
        if (bracket := self._took("(")) is not None:
            return self._macro(Call(leading + token.text, None, self._arguments(")"), bracket.at))
        return self._structure(leading + token.text, start)

    def _structure(self, name: str, start: Token) -> Node:
        """`a.b.C{...}`: whether dots belong to a name of a type shows only at the brace."""
        ahead = self._next
        path = name
        while self._tokens[ahead].kind == "." and self._tokens[ahead + 1].kind == "NAME":
            path += "." + self._tokens[ahead + 1].text
            ahead += 2
        if self._tokens[ahead].kind != "{":
            return Ident(name, start.at)
        brace = self._tokens[ahead]
        self._next = ahead + 1
        return StructNode(path, self._entries(structure=True), brace.at)

    def _list(self) -> Node:
        start = self._taken()
        items: list[Node] = []
        optional: set[int] = set()
        while self._token.kind != "]":
            if self._took("?") is not None:
                optional.add(len(items))
            items.append(self._expression())
            if self._took(",") is None:
                break
        self._expect("]", "']'")
        return ListNode(items, frozenset(optional), start.at)

    def _entries(self, *, structure: bool) -> list[Entry]:
        entries: list[Entry] = []
        while self._token.kind != "}":
            optional = self._took("?") is not None
            if structure:
                name = self._token
                if name.kind not in ("NAME", "ESCAPED"):
                    raise self._fail("{'}', ',', '?', IDENTIFIER}")
                self._taken()
                key: Node = Literal(name.text.strip("`"), name.at)
            else:
                key = self._expression()
            colon = self._expect(":", "':'")
            entries.append(Entry(key, self._expression(), optional, colon.at))
            if self._took(",") is None:
                break
        self._expect("}", "'}'")
        return entries


def _tree(name: str, terms: list[Node], places: list[int], low: int, high: int) -> Node:
    if low == high:
        return terms[low]
    middle = (low + high + 1) // 2
    left = _tree(name, terms, places, low, middle - 1)
    right = _tree(name, terms, places, middle, high)
    return Call(name, None, [left, right], places[middle - 1])
