"""The shell of simulated images: runs scripts as busybox's does, in virtual time.

What it does not know it refuses with exit code 2 and says so. Deliberate limits: the commands of a
pipe run one after the other, each with all that the one before it printed; a round of a loop that
takes no time takes a millisecond, else it would stop the clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from roost.simulation.workloads.builtins import BUILTINS, Break, Continue, Return
from roost.simulation.workloads.conditions import body_of, holds
from roost.simulation.workloads.context import Context, Exited
from roost.simulation.workloads.expansion import expand, expand_one
from roost.simulation.workloads.filecommands import is_true
from roost.simulation.workloads.script import (
    Case,
    Command,
    Condition,
    For,
    Function,
    Group,
    If,
    Loop,
    Pipe,
    Redirect,
    Redirected,
    Script,
    Simple,
    Step,
    Unknown,
)
from roost.simulation.workloads.streams import Input, Streams, redirected
from roost.simulation.workloads.syntax import parse

_SYNTAX_CODE: Final = 2
_INTERRUPTED: Final = 143
_ROUND_S: Final = 0.001
_DEPTH: Final = 100
#: $RANDOM is less.
_RANDOM: Final = 0x8000

#: Runs a command that is no part of the shell: (context, argv) -> exit code.
Runner = Callable[[Context, Sequence[str]], Any]


class Shell:
    """One shell. `arguments` are $0, $1 ..."""

    def __init__(self, ctx: Context, run: Runner, arguments: Sequence[str] = ("sh",)) -> None:
        self.ctx = ctx
        self.run_program = run
        self.variables: dict[str, str] = {}
        self.positional = list(arguments)
        self.functions: dict[str, Command] = {}
        self.code = 0
        self.stop_at_error = False
        self.stop_at_unset = False
        self.traps: dict[str, str] = {}
        self.jobs: dict[int, asyncio.Task[int]] = {}
        self.last_job = 0
        self.last_job_pid = 0
        self.is_sub = False
        self._pending: list[str] = []
        self._interrupt: asyncio.Future[None] | None = None
        self._tested = 0  # within so many conditions, where a failure is an answer
        self._depth = 0

    async def main(self, text: str) -> int:
        """Run a script to its end; return its exit code."""
        streams = Streams(
            Input(self.ctx.stdin), lambda text: self.ctx.output(1, text),
            lambda text: self.ctx.output(2, text),
        )  # fmt: skip
        try:
            try:
                await self.run(parse(text), streams)
            except Unknown as unknown:
                self._complain(unknown, streams)
            except (Break, Continue):
                pass
            except Return as returned:
                self.code = returned.code
        except Exited as exited:
            self.code = exited.code
        leaving = self.traps.pop("EXIT", "")
        if leaving:
            code = self.code
            try:
                await self.run(parse(leaving), streams)
                self.code = code
            except Exited as exited:
                self.code = exited.code
        return self.code

    def _complain(self, unknown: Unknown, streams: Streams) -> None:
        words = str(unknown)
        known = words.startswith(("syntax error", "divide", "arithmetic")) or ": " in words
        streams.err(f"sh: {words}\n" if known else f"sh: {words}: not simulated\n")
        self.code = _SYNTAX_CODE

    # -- scripts

    async def run(self, script: Script, streams: Streams) -> int:
        skipping = ""
        for step in script.steps:
            if (skipping == "&&" and self.code) or (skipping == "||" and not self.code):
                skipping = step.operator if step.operator in ("&&", "||") else ""
                continue
            following = step.operator in ("&&", "||")
            if step.operator == "&":
                self._begin(step, streams)
            else:
                await self._pipe(step.pipe, streams, tested=following)
            skipping = step.operator if following else ""
        return self.code

    def _begin(self, step: Step, streams: Streams) -> None:
        """Run a pipe beside the others."""
        sub = self.copy()
        self.last_job += 1
        number = self.ctx.pid * 10 + 6 + self.last_job
        self.jobs[number] = self.ctx.spawn(
            sub.captured(Script((replace(step, operator=";"),)), streams)
        )
        self.last_job_pid = number
        self.code = 0

    async def captured(self, script: Script, streams: Streams) -> int:
        """Run a script as a subshell: its `exit` ends only itself."""
        try:
            await self.run(script, streams)
        except Exited as exited:
            self.code = exited.code
        except Unknown as unknown:
            self._complain(unknown, streams)
        except (Break, Continue, Return):
            pass
        return self.code

    def copy(self) -> Shell:
        """Return a subshell."""
        made = Shell(self.ctx.copy(), self.run_program, self.positional)
        made.variables, made.functions = dict(self.variables), dict(self.functions)
        made.code, made.stop_at_error = self.code, self.stop_at_error
        made.is_sub, made._depth, made._tested = True, self._depth, self._tested
        made.last_job_pid = self.last_job_pid
        return made

    async def _pipe(self, pipe: Pipe, streams: Streams, *, tested: bool = False) -> None:
        self._tested += tested or pipe.negated
        try:
            if len(pipe.commands) == 1:
                await self.command(pipe.commands[0], streams)
            else:
                await self._piped(pipe, streams)
        finally:
            self._tested -= tested or pipe.negated
        if pipe.negated:
            self.code = int(self.code == 0)
        await self.heed()
        if (
            self.code
            and self.stop_at_error
            and not self._tested
            and not tested
            and not pipe.negated
        ):
            raise Exited(self.code)

    async def _piped(self, pipe: Pipe, streams: Streams) -> None:
        given = streams.input
        for command in pipe.commands[:-1]:
            gathered: list[str] = []
            await self.copy().captured(
                _alone(command), replace(streams, input=given, out=gathered.append)
            )
            given = Input("".join(gathered).encode())
        self.code = await self.copy().captured(
            _alone(pipe.commands[-1]), replace(streams, input=given)
        )

    async def command(self, command: Command, streams: Streams) -> None:
        """Run one command; its exit code is `code` then."""
        match command:
            case Simple():
                await self._simple(command, streams)
            case Redirected(inner, redirects):
                changed = await self._redirected(redirects, streams)
                if changed is not None:
                    await self.command(inner, changed)
            case If(branches, otherwise):
                await self._if(branches, otherwise, streams)
            case Loop():
                await self._loop(command, streams)
            case For(name, words, body):
                chosen = (
                    self.positional[1:] if words is None else await self._expanded(words, streams)
                )
                await self._rounds(self._each(name, chosen), body, streams)
            case Case():
                body, self.code = await body_of(command, _Around(self, streams)), 0
                await self.run(body, streams)
            case Condition(test):
                truth = partial(is_true, self.ctx)
                self.code = int(not await holds(test, _Around(self, streams), truth))
            case Group(script, subshell):
                if subshell:
                    self.code = await self.copy().captured(script, streams)
                else:
                    await self.run(script, streams)
            case Function(name, body):
                self.functions[name] = body
                self.code = 0

    async def _if(
        self, branches: Iterable[tuple[Script, Script]], otherwise: Script | None, streams: Streams
    ) -> None:
        for condition, body in branches:
            if await self._holds(condition, streams):
                await self.run(body, streams)
                return
        self.code = 0
        if otherwise is not None:
            await self.run(otherwise, streams)

    async def _holds(self, condition: Script, streams: Streams) -> bool:
        self._tested += 1
        try:
            return await self.run(condition, streams) == 0
        finally:
            self._tested -= 1

    async def _loop(self, loop: Loop, streams: Streams) -> None:
        code = 0
        while True:
            began = self.ctx.now()
            try:
                if await self._holds(loop.condition, streams) == loop.until:
                    break
                code = await self.run(loop.body, streams)
            except Continue as jump:
                jump.leave()
            except Break as jump:
                jump.leave()
                code = 0
                break
            if self.ctx.now() == began:
                await self.ctx.sleep(_ROUND_S)
        self.code = code

    def _each(self, name: str, words: Sequence[str]) -> Iterable[None]:
        for word in words:
            self.assign(name, word)
            yield

    async def _rounds(self, rounds: Iterable[None], body: Script, streams: Streams) -> None:
        self.code = 0
        for _ in rounds:
            try:
                await self.run(body, streams)
            except Continue as jump:
                jump.leave()
            except Break as jump:
                jump.leave()
                self.code = 0
                break

    # -- simple commands

    async def _expanded(self, words: Any, streams: Streams) -> list[str]:
        return await expand(words, _Around(self, streams))

    async def _simple(self, command: Simple, streams: Streams) -> None:
        around = _Around(self, streams)
        if not command.words:
            self.code = 0
        argv = await expand(command.words, around)
        given = [(name, await expand_one(word, around)) for name, word in command.assignments]
        if not argv:
            for name, value in given:
                self.assign(name, value)
            return
        name = argv[0]
        if name in self.functions:
            await self._call(self.functions[name], argv, streams)
        elif name in BUILTINS:
            for one, value in given:
                self.assign(one, value)
            self.code = await BUILTINS[name](self, streams, argv)
        else:
            child = self.child(argv, streams)
            child.env.update(given)
            self.code = await self._captured_program(child, argv)

    def child(self, argv: Sequence[str], streams: Streams) -> Context:
        """Return the context of a program that this shell runs."""
        return self.ctx.child(argv, streams, streams.input.data)

    async def _captured_program(self, child: Context, argv: Sequence[str]) -> int:
        try:
            code: int = await self.run_program(child, argv)
        except Exited as exited:
            code = exited.code
        return code

    async def _call(self, body: Command, argv: list[str], streams: Streams) -> None:
        if self._depth >= _DEPTH:
            raise Unknown("functions that call themselves so often")
        before, self.positional = self.positional, [self.positional[0], *argv[1:]]
        self._depth += 1
        try:
            await self.command(body, streams)
        except Return as returned:
            self.code = returned.code
        finally:
            self._depth -= 1
            self.positional = before

    async def _redirected(self, redirects: Sequence[Redirect], streams: Streams) -> Streams | None:
        """Return the streams with redirections; None: one failed, and was complained of."""
        for redirect in redirects:
            path = await expand_one(redirect.word, _Around(self, streams))
            try:
                streams = redirected(self.ctx.files, streams, redirect, path)
            except OSError as error:
                verb = "open" if redirect.operator == "<" else "create"
                streams.err(f"sh: can't {verb} {path}: {error.strerror}\n")
                self.code = 1
                return None
        return streams

    # -- variables and signals

    def assign(self, name: str, value: str) -> None:
        (self.ctx.env if name in self.ctx.env else self.variables)[name] = value

    def value(self, name: str) -> str | None:
        if name.isdigit():
            return self.positional[int(name)] if int(name) < len(self.positional) else None
        special = {"?": self.code, "#": len(self.positional) - 1, "$": self.ctx.pid,
                   "!": self.last_job_pid}  # fmt: skip
        if name in special:
            return str(special[name])
        if name in ("@", "*"):
            return " ".join(self.positional[1:])
        found = self.variables.get(name, self.ctx.env.get(name))
        if found is None and name == "RANDOM":
            return str(int(self.ctx.chance.uniform() * _RANDOM))
        if found is None and self.stop_at_unset:
            raise Unknown(f"{name}: parameter not set")
        return found

    def signalled(self, name: str) -> None:
        """Take a signal that there is a trap for: what it does is done when a command has ended."""
        self._pending.append(name)
        if self._interrupt is not None and not self._interrupt.done():
            self._interrupt.set_result(None)

    async def heed(self) -> None:
        """Do what traps say for the signals that came."""
        while self._pending:
            code, action = self.code, self.traps.get(self._pending.pop(0), "")
            if action:
                streams = Streams(
                    Input(), lambda t: self.ctx.output(1, t), lambda t: self.ctx.output(2, t)
                )
                await self.run(parse(action), streams)
                self.code = code

    async def wait_for(self, jobs: Sequence[asyncio.Task[int]]) -> int:
        """Wait until jobs have ended, or a signal comes; return the last one's exit code."""
        self._interrupt = asyncio.get_running_loop().create_future()
        if self._pending:
            return _INTERRUPTED
        interrupt = self._interrupt
        while left := [job for job in jobs if not job.done()]:
            waited: list[asyncio.Future[Any]] = [interrupt, *left]
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if interrupt.done():
                return _INTERRUPTED
        self._interrupt = None
        if not jobs:
            return 0
        return _INTERRUPTED if jobs[-1].cancelled() else jobs[-1].result()


class _Around:
    """expansion.Surroundings of a shell."""

    def __init__(self, shell: Shell, streams: Streams) -> None:
        self._shell = shell
        self._streams = streams
        self.value = shell.value
        self.assign = shell.assign

    def arguments(self) -> list[str]:
        return self._shell.positional[1:]

    async def printed(self, script: Script) -> str:
        gathered: list[str] = []
        self._shell.code = await self._shell.copy().captured(
            script, replace(self._streams, out=gathered.append)
        )
        return "".join(gathered)

    def names_in(self, folder: str) -> Iterable[str]:
        return self._shell.ctx.files.list(folder)


def _alone(command: Command) -> Script:
    return Script((Step(Pipe((command,)), ";"),))
