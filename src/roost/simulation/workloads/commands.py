"""All programs that simulated images have, by name; and those that need others: sh, env, timeout, xargs.

An unknown program is 127, as in a shell; one whose parts are not simulated is refused with 2.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping, Sequence
from typing import Final

from roost.runtimes.port import RuntimeFault
from roost.simulation.workloads.context import Context
from roost.simulation.workloads.copycommands import COPY_COMMANDS
from roost.simulation.workloads.filecommands import FILE_COMMANDS, duration_s
from roost.simulation.workloads.files import ContainerFiles
from roost.simulation.workloads.netcommands import NET_COMMANDS
from roost.simulation.workloads.shell import Shell
from roost.simulation.workloads.textcommands import TEXT_COMMANDS, Command, refuse

_NOT_FOUND: Final = 127
_TIMED_OUT: Final = 143


async def run_command(ctx: Context, argv: Sequence[str]) -> int:
    """Run one program; return its exit code."""
    if not argv:
        return 0
    name = argv[0].rpartition("/")[2]
    if name == "busybox" and len(argv) > 1:
        argv, name = argv[1:], argv[1]
    command = COMMANDS.get(name)
    if command is None and "/" in argv[0] and ctx.files.is_file(argv[0]):
        return await _sh(ctx, ("sh", *argv))
    if command is None:
        ctx.error(f"sh: {argv[0]}: not found")
        return _NOT_FOUND
    return await command(ctx, tuple(argv))


def check_program(name: str, files: ContainerFiles) -> None:
    """Raise RuntimeFault (StartError) if a container has no program of that name, as runc does."""
    if name.rpartition("/")[2] in COMMANDS or name.rpartition("/")[2] == "busybox":
        return
    if "/" not in name:
        why = "executable file not found in $PATH"
    elif not files.is_file(name):
        why = f"stat {name}: no such file or directory"
    else:
        return
    raise RuntimeFault("StartError", f'exec: "{name}": {why}: unknown')


async def _sh(ctx: Context, argv: tuple[str, ...]) -> int:
    words, options = list(argv[1:]), ""
    while words and words[0][:1] in "-+" and len(words[0]) > 1:
        word = words.pop(0)
        if word[0] == "+" or not set(word[1:]) <= set("ceuxl"):
            return refuse(ctx, argv, word)
        options += word[1:]
    if "c" in options:
        text, arguments = (words[0] if words else ""), words[1:] or ["sh"]
    elif words:
        try:
            text, arguments = ctx.files.text(words[0]), words
        except OSError:
            ctx.error(f"sh: can't open '{words[0]}': No such file or directory")
            return _NOT_FOUND
    else:
        text, arguments = ctx.stdin.decode(errors="replace"), ["sh"]
        ctx.stdin = b""
    shell = Shell(ctx, run_command, arguments)
    shell.stop_at_error, shell.stop_at_unset = "e" in options, "u" in options
    return await shell.main(text)


async def _env(ctx: Context, argv: tuple[str, ...]) -> int:
    words = list(argv[1:])
    if words[:1] == ["-i"]:
        ctx.env.clear()
        words.pop(0)
    while words and "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        ctx.env[name] = value
    if words:
        return await run_command(ctx, words)
    for name, value in ctx.env.items():
        ctx.print(f"{name}={value}")
    return 0


async def _timeout(ctx: Context, argv: tuple[str, ...]) -> int:
    words = list(argv[1:])
    if len(words) < 2 or words[0].startswith("-"):
        return refuse(ctx, argv, " ".join(words))
    try:
        async with asyncio.timeout(duration_s(words[0])):
            return await run_command(ctx, words[1:])
    except TimeoutError:
        return _TIMED_OUT


async def _xargs(ctx: Context, argv: tuple[str, ...]) -> int:
    words = list(argv[1:])
    if words[:1] and words[0].startswith("-"):
        return refuse(ctx, argv, words[0])
    given = ctx.stdin.decode(errors="replace").split()
    ctx.stdin = b""
    return await run_command(ctx, [*(words or ["echo"]), *given])


async def _kill(ctx: Context, argv: tuple[str, ...]) -> int:
    """Be the program of that name, which knows no jobs of a shell."""
    return await _sh(ctx, ("sh", "-c", shlex.join(("kill", *argv[1:]))))


COMMANDS: Final[Mapping[str, Command]] = {
    **TEXT_COMMANDS, **FILE_COMMANDS, **COPY_COMMANDS, **NET_COMMANDS,
    "sh": _sh, "ash": _sh, "bash": _sh, "env": _env, "timeout": _timeout, "xargs": _xargs,
    "kill": _kill,
}  # fmt: skip
