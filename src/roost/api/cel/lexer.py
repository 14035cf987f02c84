"""The words of CEL: numbers, strings in all their forms, names, operators."""

from __future__ import annotations

import re
from dataclasses import dataclass

from roost.api.cel.issues import Issue

#: What may follow a backslash.
_SEQUENCE = (
    r"""\\(?:[abfnrtv"'\\?`]|[0-3][0-7]{2}|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})"""
)
#: The beginning of that, as far as it is one.
_BEGUN = re.compile(r"\\(?:[0-3][0-7]?|[xX][0-9a-fA-F]?|u[0-9a-fA-F]{0,3}|U[0-9a-fA-F]{0,7})?")
_PLAIN = {quote: re.compile(rf"{quote}(?:[^{quote}\\\n\r]|{_SEQUENCE})*") for quote in "\"'"}
_TOKENS = re.compile(
    rf"""(?P<SPACE>[ \t\r\n\f]+|//[^\n]*)
  | (?P<STRING>[bB]?(?:\"{{3}}(?:[^\\]|{_SEQUENCE})*?\"{{3}}|'{{3}}(?:[^\\]|{_SEQUENCE})*?'{{3}}
      |"(?:[^"\\\n\r]|{_SEQUENCE})*"|'(?:[^'\\\n\r]|{_SEQUENCE})*'))
  | (?P<NUM_FLOAT>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)
  | (?P<NUM_UINT>(?:0x[0-9a-fA-F]+|\d+)[uU])
  | (?P<NUM_INT>0x[0-9a-fA-F]+|\d+)
  | (?P<NAME>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<ESCAPED>`[A-Za-z0-9_.\-/ ]+`)
  | (?P<OP>&&|\|\||==|!=|<=|>=|[-+*/%!<>?:.,()\[\]{{}}])
    """,
    re.VERBOSE | re.DOTALL,
)
_RAW = re.compile(
    r"[bB]?[rR](?:\"{3}.*?\"{3}|'{3}.*?'{3}|\"[^\"\n\r]*\"|'[^'\n\r]*')",
    re.DOTALL,
)
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|X([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))",
    re.DOTALL,
)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_LITERAL_ESCAPES = frozenset("\\?\"'`")


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    at: int


def tokens_of(source: str, issues: list[Issue]) -> list[Token]:
    """All words, with an EOF last; what is no word is complained about and passed over."""
    found: list[Token] = []
    at = 0
    while at < len(source):
        raw = _RAW.match(source, at)
        match = _TOKENS.match(source, at)
        if raw is not None:
            found.append(Token("STRING", raw[0], at))
            at = raw.end()
        elif match is None:
            end = _unrecognised(source, at)
            issues.append(
                Issue(at, f"Syntax error: token recognition error at: '{source[at:end]}'")
            )
            at = end
        else:
            kind = match.lastgroup or ""
            if kind != "SPACE":
                found.append(Token(match[0] if kind == "OP" else kind, match[0], at))
            at = match.end()
    found.append(Token("EOF", "<EOF>", len(source)))
    return found


def _unrecognised(source: str, at: int) -> int:
    """Where the scanner takes up again: it says what it had read when it gave up."""
    if source[at] in _PLAIN:
        read = _PLAIN[source[at]].match(source, at)
        end = at + 1 if read is None else read.end()
        begun = _BEGUN.match(source, end)
        end = end if begun is None else begun.end()
        return min(end + 1, len(source))
    if source[at] in "&|=":
        return min(at + 2, len(source))
    return at + 1


def string_of(text: str) -> str | bytes:
    """The value of a string literal. Raises ValueError when an escape in it is none."""
    prefix = re.match(r"[bBrR]*", text)
    letters = prefix[0].lower() if prefix else ""
    body = text[len(letters) :]
    quote = 3 if body[:3] in ('"""', "'''") and len(body) >= 6 else 1
    body = body[quote:-quote].replace("\r\n", "\n").replace("\r", "\n")
    as_bytes = "b" in letters
    if "r" in letters:
        return body.encode() if as_bytes else body
    if not as_bytes:
        return _ESCAPE.sub(_unescaped, body)
    parts: list[bytes] = []
    at = 0
    for match in _ESCAPE.finditer(body):
        parts.append(body[at : match.start()].encode())
        digits = match[1] or match[2]
        if digits or match[5]:
            parts.append(bytes([int(digits, 16) if digits else int(match[5], 8)]))
        elif match[3] or match[4]:
            raise ValueError("unable to unescape string")
        else:
            parts.append(_unescaped(match).encode())
        at = match.end()
    parts.append(body[at:].encode())
    return b"".join(parts)


def _unescaped(match: re.Match[str]) -> str:
    digits = match[1] or match[2] or match[3] or match[4]
    if digits:
        point = int(digits, 16)
        if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
            raise ValueError("invalid unicode code point")
        return chr(point)
    if match[5]:
        return chr(int(match[5], 8))
    letter = match[6]
    if letter in _SIMPLE:
        return _SIMPLE[letter]
    if letter in _LITERAL_ESCAPES:
        return str(letter)
    raise ValueError("unable to unescape string")
