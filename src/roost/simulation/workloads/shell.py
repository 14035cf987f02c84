"""The commands that every simulated image has, and a shell of words.

The shell knows `;`, `&&`, `||`, quotes, `$NAME`, `>` and `>>`, and `while true; do ...; done` and
`for` no more: what it does not know it refuses with exit code 2 and says so.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from roost.simulation.network.messages import Fault
from roost.simulation.workloads.context import Context

Command = Callable[[Context, tuple[str, ...]], Awaitable[int]]

_NOT_FOUND: Final = 127
#: What one round of an endless loop takes: otherwise one that never sleeps would stop the clock.
_ROUND_S: Final = 0.001
_OPERATORS: Final = ("&&", "||", ";")
_UNKNOWN: Final = frozenset({"|", "&", "<", "<<", "(", ")", "{", "}", "2>", "`"})
_KEYWORDS: Final = frozenset({"if", "for", "while", "until", "case", "function"})
_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+|\?))")


async def run_command(ctx: Context, argv: Sequence[str]) -> int:
    """Run one command; an unknown one is 127, as in a shell."""
    if not argv:
        return 0
    command = COMMANDS.get(argv[0].rpartition("/")[2])
    if command is None:
        ctx.error(f"{argv[0]}: not found")
        return _NOT_FOUND
    return await command(ctx, tuple(argv))


async def _cat(ctx: Context, argv: tuple[str, ...]) -> int:
    code = 0
    for path in argv[1:]:
        try:
            ctx.write(ctx.files.text(path))
        except OSError:
            ctx.error(f"cat: can't open '{path}': No such file or directory")
            code = 1
    if len(argv) == 1:
        ctx.write(ctx.stdin.decode(errors="replace"))
    return code


async def _echo(ctx: Context, argv: tuple[str, ...]) -> int:
    if argv[1:2] == ("-n",):
        ctx.write(" ".join(argv[2:]))
    else:
        ctx.print(*argv[1:])
    return 0


async def _env(ctx: Context, _argv: tuple[str, ...]) -> int:
    for name, value in ctx.env.items():
        ctx.print(f"{name}={value}")
    return 0


async def _printenv(ctx: Context, argv: tuple[str, ...]) -> int:
    if len(argv) == 1:
        return await _env(ctx, argv)
    missing = [name for name in argv[1:] if name not in ctx.env]
    for name in argv[1:]:
        if name in ctx.env:
            ctx.print(ctx.env[name])
    return 1 if missing else 0


async def _exit(ctx: Context, argv: tuple[str, ...]) -> int:
    ctx.exit(int(argv[1]) if argv[1:] and argv[1].isdigit() else 0)


async def _hostname(ctx: Context, argv: tuple[str, ...]) -> int:
    ctx.print(ctx.pod.address if argv[1:2] == ("-i",) else ctx.env.get("HOSTNAME", ctx.pod.name))
    return 0


async def _list(ctx: Context, argv: tuple[str, ...]) -> int:
    for path in [one for one in argv[1:] if not one.startswith("-")] or ["."]:
        if not ctx.files.exists(path):
            ctx.error(f"ls: {path}: No such file or directory")
            return 1
        for name in ctx.files.list(path) or [path]:
            ctx.print(name)
    return 0


async def _pause(_ctx: Context, _argv: tuple[str, ...]) -> int:
    await asyncio.get_running_loop().create_future()
    return 0


async def _remove(ctx: Context, argv: tuple[str, ...]) -> int:
    force = any(one.startswith("-") and "f" in one for one in argv[1:])
    code = 0
    for path in [one for one in argv[1:] if not one.startswith("-")]:
        try:
            ctx.files.remove(path)
        except OSError as error:
            if not force or not isinstance(error, FileNotFoundError):
                ctx.error(f"rm: can't remove '{path}': {error.strerror}")
                code = 1
    return code


async def _sleep(ctx: Context, argv: tuple[str, ...]) -> int:
    if argv[1:] == ("infinity",):
        return await _pause(ctx, argv)
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    total = 0.0
    for word in argv[1:]:
        factor = units.get(word[-1:], 0)
        try:
            total += float(word[:-1]) * factor if factor else float(word)
        except ValueError:
            ctx.error(f"sleep: invalid number '{word}'")
            return 1
    await ctx.sleep(total)
    return 0


async def _succeed(_ctx: Context, _argv: tuple[str, ...]) -> int:
    return 0


async def _fail(_ctx: Context, _argv: tuple[str, ...]) -> int:
    return 1


async def _test(ctx: Context, argv: tuple[str, ...]) -> int:
    words = list(argv[1:])
    if argv[0] == "[":
        if words[-1:] != ["]"]:
            ctx.error("[: missing ]")
            return 2
        words.pop()
    negated = words[:1] == ["!"]
    words = words[1:] if negated else words
    match words:
        case ["-f" | "-e" | "-d", path]:
            truth = ctx.files.exists(path)
        case ["-n", text]:
            truth = bool(text)
        case ["-z", text]:
            truth = not text
        case [one, "=" | "==", other]:
            truth = one == other
        case [one, "!=", other]:
            truth = one != other
        case [text]:
            truth = bool(text)
        case []:
            truth = False
        case _:
            ctx.error(f"{argv[0]}: {' '.join(words)}: not simulated")
            return 2
    return int(truth is negated)


async def _touch(ctx: Context, argv: tuple[str, ...]) -> int:
    for path in argv[1:]:
        ctx.files.append(path, b"")
    return 0


async def _wget(ctx: Context, argv: tuple[str, ...]) -> int:
    """Both wget and curl: the URL's body on stdout; 1 when there is no answer or an error."""
    urls = [one for one in argv[1:] if "://" in one or (not one.startswith("-") and "." in one)]
    if not urls:
        ctx.error(f"{argv[0]}: no URL")
        return 2
    url = urls[-1] if "://" in urls[-1] else f"http://{urls[-1]}"
    try:
        answer = await ctx.fetch(url)
    except (Fault, ValueError) as error:
        ctx.error(f"{argv[0]}: {error}")
        return 1
    fails = argv[0].endswith("wget") or "-f" in argv or "-sf" in argv or "-sfS" in argv
    if answer.status >= 400 and fails:
        ctx.error(f"{argv[0]}: server returned error: HTTP/1.1 {answer.status}")
        return 1
    ctx.write(answer.text)
    return 0


async def _nslookup(ctx: Context, argv: tuple[str, ...]) -> int:
    try:
        for address in ctx.resolve(argv[-1]):
            ctx.print(f"Name:\t{argv[-1]}")
            ctx.print(f"Address: {address}")
    except Fault:
        ctx.error(f"** server can't find {argv[-1]}: NXDOMAIN")
        return 1
    return 0


# -- the shell


async def _shell(ctx: Context, argv: tuple[str, ...]) -> int:
    options = [one for one in argv[1:] if one.startswith("-")]
    words = [one for one in argv[1:] if not one.startswith("-")]
    if not any("c" in one for one in options) or not words:
        return 0 if not words else _complain(ctx, "scripts in files")
    return await run_script(ctx, words[0], stop_at_error=any("e" in one for one in options))


def _complain(ctx: Context, what: str) -> int:
    ctx.error(f"sh: {what}: not simulated")
    return 2


async def run_script(ctx: Context, script: str, *, stop_at_error: bool = False) -> int:
    """Run a shell script of simple commands; return the last exit code."""
    loop = re.fullmatch(r"\s*while\s+(true|:)\s*;\s*do\s+(.*?);?\s*done\s*;?\s*", script, re.DOTALL)
    if loop is not None:
        while True:
            await run_script(ctx, loop[2], stop_at_error=stop_at_error)
            await ctx.sleep(_ROUND_S)
    try:
        words = _split(script)
    except ValueError as error:
        ctx.error(f"sh: syntax error: {error}")
        return 2
    code, operator = 0, ";"
    for part, following in words:
        skipped = (operator == "&&" and code != 0) or (operator == "||" and code == 0)
        operator = following
        if skipped or not part:
            continue
        code = await _simple(ctx, part, code)
        if stop_at_error and code and operator == ";":
            return code
    return code


def _split(script: str) -> list[tuple[list[str], str]]:
    """Return the simple commands of a script, each with the operator after it."""
    lexer = shlex.shlex(script.replace("\n", " ; "), posix=False, punctuation_chars=";&|<>()")
    lexer.whitespace_split = True
    lexer.commenters = ""
    parts: list[tuple[list[str], str]] = []
    words: list[str] = []
    for token in lexer:
        if token in _OPERATORS or set(token) == {";"}:
            parts.append((words, token[:2] if token in _OPERATORS else ";"))
            words = []
        else:
            words.append(token)
    parts.append((words, ";"))
    return parts


async def _simple(ctx: Context, tokens: list[str], last: int) -> int:
    """Run one command with its redirections."""
    if tokens[0] in _KEYWORDS:
        return _complain(ctx, tokens[0])
    words: list[str] = []
    target, mode = "", ""
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token in (">", ">>"):
            if position + 1 >= len(tokens):
                return _complain(ctx, "a redirection to nowhere")
            mode, target = token, _word(tokens[position + 1], ctx.env, last)
            position += 2
            continue
        if token in _UNKNOWN:
            return _complain(ctx, token)
        words.append(_word(token, ctx.env, last))
        position += 1
    while words and re.fullmatch(r"\w+=.*", words[0], re.DOTALL):
        name, _, value = words.pop(0).partition("=")
        ctx.env[name] = value
    words = words[1:] if words[:1] == ["exec"] else words
    if not target:
        return await run_command(ctx, words)
    printed: list[str] = []

    def gather(stream: int, text: str) -> None:
        if stream == 1:
            printed.append(text)
        else:
            ctx.error(text.rstrip("\n"))

    code = await run_command(ctx.child(words, gather), words)
    try:
        content = "".join(printed)
        (ctx.files.write if mode == ">" else ctx.files.append)(target, content)
    except OSError as error:
        ctx.error(f"sh: can't create {target}: {error.strerror}")
        return 1
    return code


def _word(token: str, env: Mapping[str, str], last: int) -> str:
    """Return a token without its quotes, with variables in their place but in single quotes."""
    found: list[str] = []
    for part in re.findall(r"'[^']*'|\"(?:\\.|[^\"\\])*\"|[^'\"]+|['\"]", token):
        if part.startswith("'") and part.endswith("'") and len(part) > 1:
            found.append(part[1:-1])
            continue
        inner = part[1:-1] if part.startswith('"') and len(part) > 1 else part
        inner = _VARIABLE.sub(
            lambda m: str(last) if m[2] == "?" else env.get(m[1] or m[2], ""), inner
        )
        found.append(re.sub(r"\\(.)", r"\1", inner))
    return "".join(found)


COMMANDS: Final[Mapping[str, Command]] = {
    "cat": _cat, "echo": _echo, "env": _env, "exit": _exit, "false": _fail, "hostname": _hostname,
    "ls": _list, "nslookup": _nslookup, "pause": _pause, "printenv": _printenv, "rm": _remove,
    "sh": _shell, "bash": _shell, "sleep": _sleep, "test": _test, "[": _test, "touch": _touch,
    "true": _succeed, ":": _succeed, "wget": _wget, "curl": _wget,
}  # fmt: skip
