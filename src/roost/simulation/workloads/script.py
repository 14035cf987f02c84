"""What a shell script is: values that the grammar makes and the shell runs. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias


class Unknown(ValueError):
    """Something that the shell does not do, or that is no shell at all; the text names it."""


@dataclass(frozen=True, slots=True)
class Text:
    """Characters as they are."""

    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """$NAME, or ${NAME operator word}."""

    name: str
    quoted: bool = False
    operator: str = ""
    word: Word = ()


@dataclass(frozen=True, slots=True)
class Output:
    """$(script)."""

    script: Script
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Sum:
    """$((expression))."""

    expression: Word


Part: TypeAlias = "Text | Variable | Output | Sum"
Word: TypeAlias = "tuple[Part, ...]"


@dataclass(frozen=True, slots=True)
class Redirect:
    """`operator` is <, >, >>, >& or <<; `stream` is 0, 1 or 2, or 3 for both outputs."""

    stream: int
    operator: str
    word: Word


@dataclass(frozen=True, slots=True)
class Simple:
    """NAME=value ... command words ..."""

    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Pipe:
    """One command, or several of which each reads what the one before it prints."""

    commands: tuple[Command, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class If:
    """Branches of (condition, body), and what is done otherwise."""

    branches: tuple[tuple[Script, Script], ...]
    otherwise: Script | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """while, or with `until` the opposite."""

    condition: Script
    body: Script
    until: bool = False


@dataclass(frozen=True, slots=True)
class For:
    """for NAME in words."""

    name: str
    words: tuple[Word, ...] | None  # None: the arguments
    body: Script


@dataclass(frozen=True, slots=True)
class Case:
    """case word in patterns) body;; esac."""

    word: Word
    branches: tuple[tuple[tuple[Word, ...], Script], ...]


@dataclass(frozen=True, slots=True)
class Test:
    """The words of one question within [[ ]]."""

    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """! question."""

    inner: Test | Not | Both


@dataclass(frozen=True, slots=True)
class Both:
    """Two questions with && or || between them."""

    operator: str
    first: Test | Not | Both
    second: Test | Not | Both


@dataclass(frozen=True, slots=True)
class Condition:
    """[[ questions ]]."""

    test: Test | Not | Both


@dataclass(frozen=True, slots=True)
class Group:
    """{ script; }, or as a subshell (script)."""

    script: Script
    subshell: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """name() command."""

    name: str
    body: Command


@dataclass(frozen=True, slots=True)
class Redirected:
    """A command with redirections."""

    command: Command
    redirects: tuple[Redirect, ...]


Command: TypeAlias = "Simple | If | Loop | For | Case | Condition | Group | Function | Redirected"


@dataclass(frozen=True, slots=True)
class Step:
    """A pipe, and the operator after it: ; & && or ||."""

    pipe: Pipe
    operator: str


@dataclass(frozen=True, slots=True)
class Script:
    """Steps in their order."""

    steps: tuple[Step, ...] = field(default=())
