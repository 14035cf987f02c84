"""Transcripts: commands and what they answer, in a text file that is a test.

    $ kubectl create configmap a --from-literal=x=1     a command for bash; `> ` continues it
    configmap/a created                                 what it prints
    ! warning: ...                                      what it prints to standard error
    [exit 1]                                            its exit code, unless 0

Times, ids, versions and the like are written as <time>, <uid>, <version>. In a file, <*> stands for
anything within a line and a line <...> for any lines. `pytest --rewrite` writes the file anew; review
the difference. Lines that begin with `# ` are for the reader.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_WORDS: tuple[tuple[str, str], ...] = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \+0000", "<time>"),
    (r"""(resourceVersion"?: )["']\d+["']""", r"\1<version>"),
    (r"kube-api-access-[a-z0-9]{5}", "kube-api-access-<id>"),
    (r"X509SHA256=[0-9a-f]{64}", "X509SHA256=<hash>"),
    (r"/(LIVE|MERGED)-\d+/", r"/\1/"),
    (r"https://127\.0\.0\.1:\d+", "https://<server>"),
    (r"\b10\.96\.\d+\.\d+\b( *)$", "<ip>"),
    (r"\b10\.96\.\d+\.\d+\b *", "<ip>   "),
    (r"CLUSTER-IP +", "CLUSTER-IP   "),
    (r"\b3\d{4}/TCP", "<port>/TCP"),
    (r"(nodePort: )\d+", r"\1<port>"),
    (r"(?<= )(\d+m)?\d{1,3}[sm]( *)$", "<age>"),
    (r"(?<= )(\d+m)?\d{1,3}[sm] {2,}", "<age>   "),
    (r"(?<= )(\d+m)?\d{1,3}[sm] ago", "<age> ago"),
    (r"\bAGE {2,}", "AGE   "),
    (r"roost_[\w-]{40,}", "<token>"),
)


@dataclass
class Step:
    """One command with what is expected of it; `begins` and `ends` are line numbers of the answer."""

    command: str
    expected: str
    begins: int
    ends: int


def steps_of(text: str) -> list[Step]:
    """Return the steps of a transcript."""
    lines = text.splitlines()
    steps, at = [], 0
    while at < len(lines):
        if not lines[at].startswith("$ "):
            at += 1
            continue
        command = [lines[at][2:]]
        at += 1
        while at < len(lines) and lines[at].startswith("> "):
            command.append(lines[at][2:])
            at += 1
        begins = at
        while at < len(lines) and not lines[at].startswith(("$ ", "# ")):
            at += 1
        ends = at
        while ends > begins and not lines[ends - 1]:
            ends -= 1
        steps.append(Step("\n".join(command), "\n".join(lines[begins:ends]), begins, ends))
    return steps


def answer_of(
    command: str,
    folder: Path,
    environment: Mapping[str, str],
    within: Sequence[str],
    words: Mapping[str, str],
) -> str:
    """Run a command and return its answer as a transcript has it."""
    try:
        done = subprocess.run(
            [*within, "bash", "-c", command],
            capture_output=True, text=True, timeout=60, check=False, cwd=folder,
            env=dict(environment), stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "[no end after 60 s]"
    lines = [*done.stdout.splitlines(), *(f"! {line}" for line in done.stderr.splitlines())]
    if done.returncode:
        lines.append(f"[exit {done.returncode}]")
    text = "\n".join(line.rstrip() for line in lines).strip("\n")
    for plain, word in {str(folder): "<folder>", **words}.items():
        text = text.replace(plain, word)
    for pattern, word in _WORDS:
        text = re.sub(pattern, word, text, flags=re.MULTILINE)
    return text


def matches(expected: str, answer: str) -> bool:
    """Tell whether an answer is the expected one."""
    parts = []
    for line in expected.splitlines():
        if line.strip() == "<...>":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(r"[^\n]*".join(re.escape(part) for part in line.split("<*>")) + r"\n")
    return re.fullmatch("".join(parts), f"{answer}\n" if answer else "") is not None


def play(
    path: Path, folder: Path, environment: Mapping[str, str], *, rewrite: bool,
    within: Sequence[str] = (), words: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Play a transcript in a folder of its own; `within` precedes each command, `words` says what
    stands for texts of this one run."""
    text = path.read_text()
    lines = text.splitlines()
    shift, wrong = 0, []
    for step in steps_of(text):
        answer = answer_of(step.command, folder, environment, within, words or {})
        if matches(step.expected, answer):
            continue
        wrong.append(f"$ {step.command}\n--- expected\n{step.expected}\n--- answered\n{answer}\n")
        new = answer.splitlines()
        lines[step.begins + shift : step.ends + shift] = new
        shift += len(new) - (step.ends - step.begins)
    if rewrite:
        path.write_text("\n".join(lines) + "\n")
    else:
        assert not wrong, "\n".join(wrong)
