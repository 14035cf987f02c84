"""The words and signs of a shell script. Pure; raises script.Unknown for what is no shell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from roost.simulation.workloads.script import (
    Output,
    Part,
    Script,
    Sum,
    Text,
    Unknown,
    Variable,
    Word,
)

_WORD_ENDS: Final = frozenset(" \t\n;&|<>()")
_OPERATORS: Final = ("&&", "||", ";;", ">>", ">&", "<<", ";", "&", "|", "<", ">", "(", ")", "\n")
_SPECIAL: Final = "?#@*!$0123456789"
_PARAMETER_OPERATORS: Final = (":-", ":=", ":+", ":?", "-", "=", "+", "##", "#", "%%", "%")


@dataclass(frozen=True, slots=True)
class Token:
    """An operator, or a word. `plain` is a word's text if nothing in it is quoted or replaced."""

    operator: str = ""
    word: Word = ()
    glued: bool = False  # no space before it

    @property
    def plain(self) -> str:
        match self.word:
            case (Text(text, quoted=False),):
                return text
        return ""


class Lexer:
    """Makes tokens of a text; `parse` is for the scripts within it."""

    def __init__(self, text: str, parse: Callable[[str], Script]) -> None:
        self._parse = parse
        self._text = text
        self._at = 0

    def tokens(self) -> list[Token]:
        found: list[Token] = []
        text = self._text
        while self._at < len(text):
            glued = self._at > 0 and text[self._at - 1] not in " \t\n"
            if text.startswith("\\\n", self._at):
                self._at += 2
            elif text[self._at] in " \t":
                self._at += 1
            elif text[self._at] == "#" and not glued:
                end = text.find("\n", self._at)
                self._at = len(text) if end < 0 else end
            elif operator := self._operator():
                found.append(Token(operator, glued=glued))
            else:
                found.append(Token(word=self._word(_WORD_ENDS), glued=glued))
        return found

    def _operator(self) -> str:
        for operator in _OPERATORS:
            if self._text.startswith(operator, self._at):
                self._at += len(operator)
                return operator
        return ""

    def _word(self, ends: frozenset[str], *, quoted: bool = False) -> Word:
        """Read up to one of `ends`, which is left. `quoted`: within double quotes."""
        parts: list[Part] = []
        text = self._text
        while self._at < len(text) and text[self._at] not in ends:
            sign = text[self._at]
            if sign == "\\":
                parts.append(self._escaped(quoted=quoted))
            elif sign == "'" and not quoted:
                end = self._find("'", self._at + 1)
                parts.append(Text(text[self._at + 1 : end], quoted=True))
                self._at = end + 1
            elif sign == '"' and not quoted:
                self._at += 1
                parts += self._word(frozenset('"'), quoted=True) or (Text("", quoted=True),)
                self._expect('"')
            elif sign == "$":
                parts.append(self._dollar(quoted=quoted))
            elif sign == "`":
                end = self._find("`", self._at + 1)
                parts.append(Output(self._parse(text[self._at + 1 : end]), quoted))
                self._at = end + 1
            else:
                self._at += 1
                parts.append(Text(sign, quoted))
        return _joined(parts)

    def _escaped(self, *, quoted: bool) -> Text:
        following = self._text[self._at + 1 : self._at + 2]
        self._at += 2
        if following == "\n":
            return Text("", quoted)
        keeps = quoted and following not in '$`"\\'
        return Text(f"\\{following}" if keeps else following, quoted=True)

    def _dollar(self, *, quoted: bool) -> Part:
        text = self._text
        self._at += 1
        if text.startswith("((", self._at):
            self._at += 2
            end = self._closing("((", "))")
            inner = Lexer(text[self._at : end], self._parse)
            self._at = end + 2
            return Sum(inner._word(frozenset(), quoted=True))
        if text.startswith("(", self._at):
            self._at += 1
            end = self._closing("(", ")")
            script = self._parse(text[self._at : end])
            self._at = end + 1
            return Output(script, quoted)
        if text.startswith("{", self._at):
            return self._braced(quoted=quoted)
        name = self._name()
        return Variable(name, quoted) if name else Text("$", quoted)

    def _braced(self, *, quoted: bool) -> Variable:
        self._at += 1
        if self._text.startswith("#", self._at) and not self._text.startswith("#}", self._at):
            self._at += 1
            name = self._name()
            self._expect("}")
            return Variable(name, quoted, "length")
        name = self._name()
        operator = next((o for o in _PARAMETER_OPERATORS if self._text.startswith(o, self._at)), "")
        self._at += len(operator)
        word = self._word(frozenset("}"), quoted=quoted) if operator else ()
        self._expect("}")
        return Variable(name, quoted, operator, word)

    def _name(self) -> str:
        text, start = self._text, self._at
        if text[start : start + 1] and text[start] in _SPECIAL:
            self._at += 1
            return text[start]
        while self._at < len(text) and (text[self._at].isalnum() or text[self._at] == "_"):
            self._at += 1
        return text[start : self._at]

    def _closing(self, opening: str, closing: str) -> int:
        """Return where what was opened before here closes."""
        depth, at, text = 1, self._at, self._text
        while at < len(text):
            if text[at] == "'":
                at = self._find("'", at + 1)
            elif text.startswith(closing, at):
                depth -= 1
                if depth == 0:
                    return at
            elif text.startswith(opening, at):
                depth += 1
            at += 1
        raise Unknown(f"syntax error: unterminated {opening}")

    def _find(self, sign: str, start: int) -> int:
        end = self._text.find(sign, start)
        if end < 0:
            raise Unknown("syntax error: unterminated quoted string")
        return end

    def _expect(self, sign: str) -> None:
        if not self._text.startswith(sign, self._at):
            raise Unknown(f"syntax error: missing {sign}")
        self._at += len(sign)


def _joined(parts: list[Part]) -> Word:
    """Join neighbouring characters."""
    found: list[Part] = []
    for part in parts:
        last = found[-1] if found else None
        if isinstance(part, Text) and isinstance(last, Text) and part.quoted == last.quoted:
            found[-1] = Text(last.text + part.text, part.quoted)
        else:
            found.append(part)
    return tuple(found)
