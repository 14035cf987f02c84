"""What is wrong with JSON text, in Go's words.

The fast decoder says that a body is malformed in words of its own; clients know those of Go's
scanner. `problem` reads the text as that scanner does, state by state, and is only used for text that
was refused.
"""

from __future__ import annotations

import re

END = "unexpected end of JSON input"
TOO_DEEP = "exceeded max depth"

_SPACE = b" \t\r\n"
_LITERALS = {ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}
_DIGITS = re.compile(rb"[0-9]*")
_PLAIN_TEXT = re.compile(rb'[^"\\\x00-\x1f]*')
_HEX = frozenset(b"0123456789abcdefABCDEF")
_VALUE = "looking for beginning of value"
_KEY = "looking for beginning of object key string"


class _Bad(Exception):
    """The scanner stopped."""


def quoted(byte: int) -> str:
    """Return a byte as Go's scanner quotes it."""
    special = {0x27: "'\\''", 0x22: "'\"'", 0x5C: "'\\\\'", 0x0A: "'\\n'", 0x0D: "'\\r'",
               0x09: "'\\t'", 0x07: "'\\a'", 0x08: "'\\b'", 0x0B: "'\\v'", 0x0C: "'\\f'"}  # fmt: skip
    if byte in special:
        return special[byte]
    if byte < 0x20 or byte == 0x7F:
        return f"'\\x{byte:02x}'"
    if 0x80 <= byte < 0xA1 or byte == 0xAD:
        return f"'\\u{byte:04x}'"
    return f"'{chr(byte)}'"


def problem(text: bytes) -> str | None:
    """Return what Go's scanner says of a text, or None if it is JSON."""
    try:
        _Scanner(text).scan()
    except _Bad as bad:
        return str(bad)
    return None


class _Scanner:
    """Reads one JSON value; open arrays and objects are a stack, so depth costs no recursion."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._at = 0

    def scan(self) -> None:
        closers: list[int] = []
        self._value(closers)
        while True:
            byte = self._next_byte(required=bool(closers))
            if byte is None:
                return
            if not closers:
                raise self._invalid("after top-level value")
            if byte == closers[-1]:
                closers.pop()
                self._at += 1
            elif byte == ord(","):
                self._at += 1
                if closers[-1] == ord("}"):
                    self._key()
                self._value(closers)
            else:
                in_object = closers[-1] == ord("}")
                raise self._invalid(
                    "after object key:value pair" if in_object else "after array element"
                )

    def _value(self, closers: list[int]) -> None:
        """Read up to the end of a scalar, or into nested values until one is a scalar or empty."""
        while True:
            byte = self._next_byte()
            if byte == ord("{"):
                self._at += 1
                closers.append(ord("}"))
                if self._next_byte() == ord("}"):
                    return
                self._key()
            elif byte == ord("["):
                self._at += 1
                closers.append(ord("]"))
                if self._next_byte() == ord("]"):
                    return
            else:
                self._scalar(byte)
                return

    def _key(self) -> None:
        if self._next_byte() != ord('"'):
            raise self._invalid(_KEY)
        self._string()
        if self._next_byte() != ord(":"):
            raise self._invalid("after object key")
        self._at += 1

    def _scalar(self, byte: int | None) -> None:
        if byte == ord('"'):
            self._string()
        elif byte in _LITERALS:
            word = _LITERALS[byte]
            for index in range(1, len(word)):
                self._at += 1
                if self._peek() != word[index]:
                    raise self._invalid(
                        f"in literal {word.decode()} (expecting {quoted(word[index])})"
                    )
            self._at += 1
        elif byte is not None and chr(byte) in "-0123456789":
            self._number(byte)
        else:
            raise self._invalid(_VALUE)

    def _number(self, byte: int) -> None:
        if byte == ord("-"):
            self._at += 1
            byte = self._digit("in numeric literal")
        self._at += 1
        if byte != ord("0"):
            self._digits()
        if self._peek(required=False) == ord("."):
            self._at += 1
            self._digit("after decimal point in numeric literal")
            self._digits()
        if self._peek(required=False) in {ord("e"), ord("E")}:
            self._at += 1
            if self._peek() in {ord("+"), ord("-")}:
                self._at += 1
            self._digit("in exponent of numeric literal")
            self._digits()

    def _digit(self, context: str) -> int:
        byte = self._peek()
        if byte is None or not 0x30 <= byte <= 0x39:
            raise self._invalid(context)
        return byte

    def _digits(self) -> None:
        found = _DIGITS.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _string(self) -> None:
        self._at += 1
        while True:
            found = _PLAIN_TEXT.match(self._text, self._at)
            self._at = found.end() if found else self._at
            byte = self._peek()
            self._at += 1
            if byte == ord('"'):
                return
            if byte != ord("\\"):
                self._at -= 1
                raise self._invalid("in string literal")
            self._escape()

    def _escape(self) -> None:
        byte = self._peek()
        if byte == ord("u"):
            for _ in range(4):
                self._at += 1
                if self._peek() not in _HEX:
                    raise self._invalid("in \\u hexadecimal character escape")
        elif byte is None or chr(byte) not in 'bfnrt\\/"':
            raise self._invalid("in string escape code")
        self._at += 1

    def _next_byte(self, *, required: bool = True) -> int | None:
        text, at = self._text, self._at
        while at < len(text) and text[at] in _SPACE:
            at += 1
        self._at = at
        return self._peek(required=required)

    def _peek(self, *, required: bool = True) -> int | None:
        if self._at < len(self._text):
            return self._text[self._at]
        if required:
            raise _Bad(END)
        return None

    def _invalid(self, context: str) -> _Bad:
        return _Bad(f"invalid character {quoted(self._text[self._at])} {context}")
