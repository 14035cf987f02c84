"""Small programs about files, the process and the machine, as in busybox."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable, Mapping
from typing import Final

from roost.simulation.workloads.context import Context
from roost.simulation.workloads.textcommands import Command, options, refuse

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration_s(word: str) -> float:
    """Return the seconds of 1, 0.5, 2m or inf; raises ValueError."""
    factor = _UNITS.get(word[-1:])
    return float(word[:-1]) * factor if factor else float(word)


async def _env_names(ctx: Context, argv: tuple[str, ...]) -> int:
    missing = [name for name in argv[1:] if name not in ctx.env]
    for name in argv[1:] or ctx.env:
        if name in ctx.env:
            ctx.print(ctx.env[name] if argv[1:] else f"{name}={ctx.env[name]}")
    return int(bool(missing))


async def _hostname(ctx: Context, argv: tuple[str, ...]) -> int:
    ctx.print(ctx.pod.address if argv[1:2] == ("-i",) else ctx.hostname)
    return 0


async def _id(ctx: Context, argv: tuple[str, ...]) -> int:
    found, _ = options(argv)
    user, group = ctx.user
    if "u" in found or argv[0].endswith("whoami"):
        ctx.print("root" if argv[0].endswith("whoami") and user == 0 else user)
    elif "g" in found:
        ctx.print(group)
    else:
        ctx.print(f"uid={user} gid={group}")
    return 0


async def _list(ctx: Context, argv: tuple[str, ...]) -> int:
    found, paths = options(argv)
    if "l" in found:
        return refuse(ctx, argv, "-l")
    code = 0
    for path in paths or ["."]:
        if not ctx.files.exists(path):
            ctx.error(f"ls: {path}: No such file or directory")
            code = 1
        elif ctx.files.is_file(path):
            ctx.print(path)
        else:
            for name in ctx.files.list(path):
                if not name.startswith(".") or "a" in found or "A" in found:
                    ctx.print(name)
    return code


async def _pause(ctx: Context, _argv: tuple[str, ...]) -> int:
    if not ctx.handles("SIGTERM"):
        ctx.on_signal("SIGTERM", lambda: ctx.exit(0))
    await ctx.sleep_for_ever()


async def _remove(ctx: Context, argv: tuple[str, ...]) -> int:
    found, paths = options(argv)
    code = 0
    for path in paths:
        try:
            ctx.files.remove(path)
        except OSError as error:
            if "f" not in found or not isinstance(error, FileNotFoundError):
                ctx.error(f"rm: can't remove '{path}': {error.strerror}")
                code = 1
    return code


async def _make_folder(ctx: Context, argv: tuple[str, ...]) -> int:
    found, paths = options(argv, "m")
    code = 0
    for path in paths:
        try:
            if ctx.files.exists(path):
                if "p" in found and not ctx.files.is_file(path):
                    continue
                raise FileExistsError(17, "File exists", path)
            ctx.files.make_folder(path)
        except OSError as error:
            ctx.error(f"mkdir: can't create directory '{path}': {error.strerror}")
            code = 1
    return code


async def _touch(ctx: Context, argv: tuple[str, ...]) -> int:
    for path in options(argv)[1]:
        try:
            ctx.files.append(path, b"")
        except OSError as error:
            ctx.error(f"touch: {path}: {error.strerror}")
            return 1
    return 0


async def _sleep(ctx: Context, argv: tuple[str, ...]) -> int:
    total = 0.0
    for word in argv[1:]:
        try:
            total += float("inf") if word in ("infinity", "inf") else duration_s(word)
        except ValueError:
            ctx.error(f"sleep: invalid number '{word}'")
            return 1
    if total == float("inf"):
        await ctx.sleep_for_ever()
    await ctx.sleep(total)
    return 0


async def _succeed(_ctx: Context, _argv: tuple[str, ...]) -> int:
    return 0


async def _fail(_ctx: Context, _argv: tuple[str, ...]) -> int:
    return 1


async def _test(ctx: Context, argv: tuple[str, ...]) -> int:
    words = list(argv[1:])
    if argv[0].endswith("["):
        if words[-1:] != ["]"]:
            ctx.error("[: missing ]")
            return 2
        words.pop()
    try:
        return int(not is_true(ctx, words))
    except ValueError as error:
        ctx.error(f"{argv[0]}: {error}")
        return 2


def is_true(ctx: Context, words: list[str]) -> bool:
    """Return whether the words of `test` are true; raises ValueError for what it does not know."""
    for operator in ("-o", "-a"):
        if operator in words[1:-1]:
            at = words.index(operator)
            first, second = is_true(ctx, words[:at]), is_true(ctx, words[at + 1 :])
            return first or second if operator == "-o" else first and second
    match words:
        case ["!", *rest] if rest:
            return not is_true(ctx, rest)
        case [] | [_]:
            return bool(words and words[0])
        case [operator, word] if operator in _TESTS:
            return _TESTS[operator](ctx, word)
        case [one, ("=" | "=="), other]:
            return one == other
        case [one, "!=", other]:
            return one != other
        case [one, operator, other] if operator in _COMPARISONS:
            try:
                return _COMPARISONS[operator](int(one), int(other))
            except ValueError as error:
                raise ValueError(f"{one}: bad number") from error
    raise ValueError(f"{' '.join(words)}: not simulated")


def _is_folder(ctx: Context, path: str) -> bool:
    return ctx.files.exists(path) and not ctx.files.is_file(path)


def _exists(ctx: Context, path: str) -> bool:
    return ctx.files.exists(path)


_TESTS: Final[Mapping[str, Callable[[Context, str], bool]]] = {
    "-e": _exists, "-r": _exists, "-x": _exists, "-d": _is_folder,
    "-f": lambda ctx, path: ctx.files.is_file(path),
    "-s": lambda ctx, path: ctx.files.is_file(path) and bool(ctx.files.read(path)),
    "-w": lambda ctx, path: ctx.files.exists(path) and not ctx.files.is_read_only(path),
    "-n": lambda _ctx, text: bool(text), "-z": lambda _ctx, text: not text,
}  # fmt: skip
_COMPARISONS: Final = {
    "-eq": int.__eq__, "-ne": int.__ne__, "-lt": int.__lt__, "-le": int.__le__,
    "-gt": int.__gt__, "-ge": int.__ge__,
}  # fmt: skip


async def _digest(ctx: Context, argv: tuple[str, ...]) -> int:
    kind = argv[0].rpartition("/")[2].removesuffix("sum")
    for path in argv[1:] or ("-",):
        data = ctx.stdin if path == "-" else ctx.files.read(path)
        ctx.print(f"{hashlib.new(kind, data).hexdigest()}  {path}")
    return 0


async def _path_part(ctx: Context, argv: tuple[str, ...]) -> int:
    named = argv[0].endswith("basename")
    text = argv[1].rstrip("/")
    found = posixpath.basename(text) if named else posixpath.dirname(text) or "."
    ctx.print(found.removesuffix(argv[2]) if named and argv[2:] else found)
    return 0


async def _machine(ctx: Context, argv: tuple[str, ...]) -> int:
    found, _ = options(argv)
    parts = {"s": "Linux", "n": ctx.hostname, "r": "6.1.0-simulated", "m": "x86_64"}
    wanted = parts if "a" in found else (found or {"s": ""})
    ctx.print(" ".join(parts[one] for one in parts if one in wanted))
    return 0


FILE_COMMANDS: Final[Mapping[str, Command]] = {
    "basename": _path_part, "dirname": _path_part, "false": _fail,
    "hostname": _hostname, "id": _id, "ls": _list, "md5sum": _digest, "mkdir": _make_folder,
    "pause": _pause, "printenv": _env_names, "rm": _remove, "sha256sum": _digest,
    "sleep": _sleep, "sync": _succeed, "test": _test, "[": _test, "touch": _touch,
    "true": _succeed, ":": _succeed, "uname": _machine, "whoami": _id,
}  # fmt: skip
