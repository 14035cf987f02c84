"""Regular expressions of RE2 in Python's engine: what RE2 does not know is refused, what it writes
otherwise is translated. A hostile pattern can take exponential time here.
"""

from __future__ import annotations

import re

from roost.api.regex.faults import BadPattern

_FOREIGN = re.compile(r"(?<!\\)(?:\\\\)*(?:\(\?(?:=|!|<=|<!|>|\(|#|P=)|[*+?}]\+)|\\[1-9]")
_POSIX = {
    "alpha": "A-Za-z",
    "digit": "0-9",
    "alnum": "A-Za-z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r"\t-\r ",
    "punct": r"!-/:-@\[-`{-~",
    "xdigit": "0-9A-Fa-f",
    "word": r"\w",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "print": " -~",
    "graph": "!-~",
    "ascii": r"\x00-\x7f",
}
_POSIX_CLASS = re.compile(r"\[:(\^?)([a-z]+):\]")
_HEX = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
_LEADING_END = re.compile(r"(?<!\\)((?:\\\\)*)\\z")
_DOLLAR = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\$", re.DOTALL)


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return the pattern compiled. Raises BadPattern."""
    foreign = _FOREIGN.search(pattern)
    if foreign is not None:
        kind = (
            "invalid escape sequence"
            if foreign[0].startswith("\\")
            else "invalid or unsupported Perl syntax"
        )
        raise BadPattern(f"{kind}: `{foreign[0]}`")
    try:
        return re.compile(_translated(pattern), re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadPattern(_problem(pattern, error)) from None


def _translated(pattern: str) -> str:
    text = _POSIX_CLASS.sub(lambda m: _POSIX.get(m[2], m[0]), pattern)
    text = _HEX.sub(lambda m: re.escape(chr(int(m[1], 16))), text)
    text = _LEADING_END.sub(r"\1\\Z", text)
    # Python's $ also matches before a last line break, RE2's does not.
    return text if "(?" in text else _DOLLAR.sub(lambda m: r"\Z" if m[0] == "$" else m[0], text)


_PROBLEMS = (
    ("missing )", "missing closing ): `{0}`"),
    ("unbalanced parenthesis", "unexpected ): `{0}`"),
    ("unterminated character set", "missing closing ]: `{1}`"),
    ("nothing to repeat", "missing argument to repetition operator: `{2}`"),
    ("multiple repeat", "invalid nested repetition operator: `{1}`"),
    ("bad character range", "invalid character class range: `{3}`"),
    ("bad escape (end of pattern)", "trailing backslash at end of expression: ``"),
    ("bad escape", "invalid escape sequence: `{3}`"),
)


def _problem(pattern: str, error: Exception) -> str:
    text = str(error)
    place = getattr(error, "pos", None) or 0
    values = (
        pattern,
        pattern[place:],
        pattern[place : place + 1],
        text.split(" at position", maxsplit=1)[0].rsplit(" ", maxsplit=1)[-1],
    )
    for start, words in _PROBLEMS:
        if text.startswith(start):
            return words.format(*values)
    return f"{text}: `{pattern}`"
