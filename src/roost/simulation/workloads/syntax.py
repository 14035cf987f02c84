"""The grammar of the simulated shell: text in, a script out. Pure.

It knows what scripts in manifests use: lists, pipes, `if`, `for`, `while`, `until`, `case`, `[[`,
functions, groups, subshells, `&`, redirections, quotes, `$(...)`, `${NAME:-word}` and `$((...))`. What
it does not know it refuses by name (Unknown), and never guesses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from roost.simulation.workloads.lexer import Lexer, Token
from roost.simulation.workloads.script import (
    Both,
    Case,
    Command,
    Condition,
    For,
    Function,
    Group,
    If,
    Loop,
    Not,
    Pipe,
    Redirect,
    Redirected,
    Script,
    Simple,
    Step,
    Test,
    Text,
    Unknown,
    Word,
)

_RESERVED: Final = frozenset(
    {"then", "else", "elif", "fi", "do", "done", "esac", "}", ")", ";;", "in"}
)
_REDIRECTS: Final = frozenset({"<", ">", ">>", ">&", "<<"})
_ASSIGNMENT: Final = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


def parse(text: str) -> Script:
    """Return the script; raises Unknown."""
    parser = _Parser(Lexer(text, parse).tokens())
    script = parser.script()
    if parser.next() is not None:
        raise Unknown(f"syntax error: unexpected {parser.here()!r}")
    return script


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def next(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def here(self) -> str:
        """Return the sign or plain word that comes next, "" for any other word or the end."""
        token = self.next()
        return "" if token is None else (token.operator or token.plain)

    def _take(self, wanted: str) -> None:
        if self.here() != wanted:
            raise Unknown(
                f"syntax error: unexpected {self.here() or 'end'!r} (expecting {wanted!r})"
            )
        self._at += 1

    def _skip(self, *signs: str) -> None:
        while self.next() is not None and self.here() in signs:
            self._at += 1

    def script(self) -> Script:
        steps: list[Step] = []
        self._skip("\n", ";")
        while self.next() is not None and self.here() not in _RESERVED:
            pipe = self._pipe()
            operator = ";"
            if self.here() in ("&&", "||", "&", ";", "\n"):
                operator = self.here()
                self._at += 1
            elif self.next() is not None and self.here() not in _RESERVED:
                raise Unknown(f"syntax error: unexpected {self.here()!r}")
            if operator in ("&&", "||"):
                self._skip("\n")
                if self.next() is None:
                    raise Unknown("syntax error: unexpected end of file")
            else:
                self._skip("\n", ";")
            steps.append(Step(pipe, ";" if operator == "\n" else operator))
        return Script(tuple(steps))

    def _pipe(self) -> Pipe:
        negated = self.here() == "!"
        if negated:
            self._at += 1
        commands = [self._command()]
        while self.here() == "|":
            self._at += 1
            self._skip("\n")
            commands.append(self._command())
        return Pipe(tuple(commands), negated)

    def _command(self) -> Command:
        compound = _COMPOUND.get(self.here())
        if compound is not None:
            self._at += 1
            made = compound(self)
            redirects = tuple(iter(self._redirect, None))
            return Redirected(made, redirects) if redirects else made
        return self._simple()

    def _simple(self) -> Command:
        words: list[Word] = []
        assignments: list[tuple[str, Word]] = []
        redirects: list[Redirect] = []
        while (token := self.next()) is not None:
            redirect = self._redirect()
            if redirect is not None:
                redirects.append(redirect)
                continue
            if token.operator == "(" and len(words) == 1 and token.glued and not assignments:
                return self._function(words[0])
            if token.operator:
                break
            self._at += 1
            given = _assignment(token.word) if not words else None
            if given is not None:
                assignments.append(given)
            else:
                words.append(token.word)
        if not words and not assignments and not redirects:
            raise Unknown(f"syntax error: unexpected {self.here() or 'end of file'!r}")
        made = Simple(tuple(assignments), tuple(words))
        return Redirected(made, tuple(redirects)) if redirects else made

    def _redirect(self) -> Redirect | None:
        """Return a redirection, if there is one here."""
        token, stream, at = self.next(), None, self._at
        if token is None:
            return None
        following = self._tokens[at + 1] if at + 1 < len(self._tokens) else None
        if token.plain in ("0", "1", "2") and following is not None and following.glued:
            stream, token, at = int(token.plain), following, at + 1
        elif token.operator == "&" and following is not None and following.operator == ">":
            stream, token, at = 3, following, at + 1
        if token.operator not in _REDIRECTS:
            return None
        if token.operator == "<<":
            raise Unknown("<< (here-documents)")
        target = self._tokens[at + 1] if at + 1 < len(self._tokens) else None
        if target is None or target.operator:
            raise Unknown("syntax error: a redirection to nowhere")
        self._at = at + 2
        usual = 0 if token.operator == "<" else 1
        return Redirect(usual if stream is None else stream, token.operator, target.word)

    def _function(self, name: Word) -> Function:
        self._take("(")
        self._take(")")
        self._skip("\n")
        match name:
            case (Text(text, quoted=False),):
                return Function(text, self._command())
        raise Unknown("syntax error: a function without a name")

    # -- what ends with a word of its own

    def _if(self) -> Command:
        branches = []
        while True:
            condition = self.script()
            self._take("then")
            branches.append((condition, self.script()))
            if self.here() != "elif":
                break
            self._at += 1
        otherwise = None
        if self.here() == "else":
            self._at += 1
            otherwise = self.script()
        self._take("fi")
        return If(tuple(branches), otherwise)

    def _body(self) -> Script:
        self._take("do")
        body = self.script()
        self._take("done")
        return body

    def _while(self) -> Command:
        return Loop(self.script(), self._body())

    def _until(self) -> Command:
        return Loop(self.script(), self._body(), until=True)

    def _for(self) -> Command:
        name = self.here()
        self._at += 1
        self._skip("\n")
        words: list[Word] | None = None
        if self.here() == "in":
            self._at += 1
            words = []
            while (token := self.next()) is not None and not token.operator:
                words.append(token.word)
                self._at += 1
        self._skip("\n", ";")
        return For(name, None if words is None else tuple(words), self._body())

    def _case(self) -> Command:
        token = self.next()
        if token is None:
            raise Unknown("syntax error: unexpected end of file")
        self._at += 1
        self._skip("\n")
        self._take("in")
        self._skip("\n")
        branches = []
        while self.here() != "esac":
            self._skip("(")
            patterns = []
            while (one := self.next()) is not None and one.operator != ")":
                if one.operator != "|":
                    patterns.append(one.word)
                self._at += 1
            self._take(")")
            branches.append((tuple(patterns), self.script()))
            self._skip(";;", "\n")
        self._take("esac")
        return Case(token.word, tuple(branches))

    def _condition(self) -> Command:
        made = Condition(self._any())
        self._take("]]")
        return made

    def _any(self) -> Test | Not | Both:
        return self._chained("||", lambda: self._chained("&&", self._question))

    def _chained(self, operator: str, part: Callable[[], Test | Not | Both]) -> Test | Not | Both:
        made = part()
        self._skip("\n")
        while self.here() == operator:
            self._at += 1
            made = Both(operator, made, part())
            self._skip("\n")
        return made

    def _question(self) -> Test | Not | Both:
        self._skip("\n")
        if self.here() == "!":
            self._at += 1
            return Not(self._question())
        if self.here() == "(":
            self._at += 1
            made = self._any()
            self._take(")")
            return made
        words: list[Word] = []
        while (token := self.next()) is not None and self.here() != "]]":
            if token.operator not in ("", "<", ">"):
                break
            words.append((Text(token.operator, quoted=True),) if token.operator else token.word)
            self._at += 1
        if not words:
            raise Unknown(f"syntax error: unexpected {self.here() or 'end of file'!r}")
        return Test(tuple(words))

    def _group(self) -> Command:
        script = self.script()
        self._take("}")
        return Group(script)

    def _subshell(self) -> Command:
        script = self.script()
        self._take(")")
        return Group(script, subshell=True)

    def _refuse(self) -> Command:
        raise Unknown(self._tokens[self._at - 1].plain)


_COMPOUND: Final[Mapping[str, Callable[[_Parser], Command]]] = {
    "if": _Parser._if, "while": _Parser._while, "until": _Parser._until, "for": _Parser._for,
    "case": _Parser._case, "{": _Parser._group, "(": _Parser._subshell,
    "[[": _Parser._condition, "function": _Parser._refuse, "select": _Parser._refuse,
}  # fmt: skip


def _assignment(word: Word) -> tuple[str, Word] | None:
    """Return name and value of NAME=value."""
    match word:
        case (Text(text, quoted=False), *rest) if found := _ASSIGNMENT.match(text):
            return found[1], (Text(found[2]), *rest) if found[2] else tuple(rest)
    return None
