"""Small programs that make text of text, as in busybox: what they print, and their exit codes."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from roost.simulation.workloads.context import Context

Command = Callable[[Context, tuple[str, ...]], Awaitable[int]]
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "a": "\a", "0": "\0"}


def refuse(ctx: Context, argv: tuple[str, ...], what: str) -> int:
    """Say that something is not simulated; return the exit code."""
    ctx.error(f"{argv[0]}: {what}: not simulated")
    return 2


def options(argv: tuple[str, ...], valued: str = "") -> tuple[dict[str, str], list[str]]:
    """Return short options (those in `valued` with their values) and the other words."""
    found: dict[str, str] = {}
    words: list[str] = []
    rest = list(argv[1:])
    while rest:
        word = rest.pop(0)
        if word == "--":
            return found, words + rest
        if not word.startswith("-") or word == "-":
            words.append(word)
            continue
        if word[1:].isdigit() and "n" in valued:
            found["n"] = word[1:]
            continue
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in valued:
                found[letter] = letters or (rest.pop(0) if rest else "")
                break
            found[letter] = ""
    return found, words


def given_text(ctx: Context, argv: tuple[str, ...], paths: list[str]) -> tuple[str, int]:
    """Return the text of files, or of the input; and 1 if one could not be read."""
    if not paths or paths == ["-"]:
        return ctx.stdin.decode(errors="replace"), 0
    texts, code = [], 0
    for path in paths:
        try:
            texts.append(ctx.files.text(path))
        except OSError:
            how = "can't open '%s'" % path if argv[0] == "cat" else path  # noqa: UP031 - as printed
            ctx.error(f"{argv[0]}: {how}: No such file or directory")
            code = 1
    return "".join(texts), code


async def _cat(ctx: Context, argv: tuple[str, ...]) -> int:
    text, code = given_text(ctx, argv, [one for one in argv[1:] if one != "-u"])
    ctx.write(text)
    return code


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), text)


async def _echo(ctx: Context, argv: tuple[str, ...]) -> int:
    words, end, escapes = list(argv[1:]), "\n", False
    while words and re.fullmatch(r"-[neE]+", words[0]):
        option = words.pop(0)
        end = "" if "n" in option else end
        escapes = escapes or "e" in option
    text = " ".join(words)
    ctx.write((_unescaped(text) if escapes else text) + end)
    return 0


async def _printf(ctx: Context, argv: tuple[str, ...]) -> int:
    if len(argv) < 2:
        return 1
    shape, words = _unescaped(argv[1]), list(argv[2:])
    holes = len(re.findall(r"%[-0-9.]*[sdi]", shape))
    while True:

        def fill(found: re.Match[str]) -> str:
            if found[0] == "%%":
                return "%"
            word = words.pop(0) if words else ""
            number = not found[0].endswith("s")
            return found[0] % (int(word or 0) if number else word)

        ctx.write(re.sub(r"%%|%[-0-9.]*[sdi]", fill, shape))
        if not words or not holes:
            return 0


async def _head(ctx: Context, argv: tuple[str, ...]) -> int:
    found, paths = options(argv, "nc")
    text, code = given_text(ctx, argv, paths)
    if "c" in found:
        ctx.write(text[: int(found["c"])])
        return code
    ctx.write("".join(text.splitlines(keepends=True)[: int(found.get("n", "10"))]))
    return code


async def _tail(ctx: Context, argv: tuple[str, ...]) -> int:
    found, paths = options(argv, "nc")
    if "c" in found:
        return refuse(ctx, argv, "-c")
    if "f" in found or "F" in found:
        if paths not in ([], ["/dev/null"]):
            return refuse(ctx, argv, "-f of a file")
        await ctx.sleep_for_ever()
    text, code = given_text(ctx, argv, paths)
    lines = text.splitlines(keepends=True)
    count = found.get("n", "10")
    if count.startswith("+"):
        ctx.write("".join(lines[int(count) - 1 :]))
    else:
        ctx.write("".join(lines[-int(count) :] if int(count) else []))
    return code


async def _wc(ctx: Context, argv: tuple[str, ...]) -> int:
    found, paths = options(argv)
    text, code = given_text(ctx, argv, paths)
    sizes = {"l": text.count("\n"), "w": len(text.split()), "c": len(text.encode())}
    shown = [str(size) for name, size in sizes.items() if name in found or not found]
    ctx.print(" ".join([*shown, *paths]))
    return code


async def _grep(ctx: Context, argv: tuple[str, ...]) -> int:
    found, words = options(argv, "e")
    if extra := set(found) - set("qvciEFoxhs") - {"e"}:
        return refuse(ctx, argv, f"-{min(extra)}")
    pattern = found["e"] if "e" in found else (words.pop(0) if words else "")
    text, code = given_text(ctx, argv, words)
    known = re.escape(pattern) if "F" in found else pattern
    compiled = re.compile(known, re.IGNORECASE if "i" in found else 0)
    match = compiled.fullmatch if "x" in found else compiled.search
    lines = [line for line in text.splitlines() if bool(match(line)) is ("v" not in found)]
    if "c" in found:
        ctx.print(len(lines))
    elif "o" in found:
        for line in lines:
            for part in compiled.finditer(line):
                ctx.print(part[0])
    elif "q" not in found:
        for line in lines:
            ctx.print(line)
    return (0 if lines else 1) if not code or "s" in found else 2


async def _cut(ctx: Context, argv: tuple[str, ...]) -> int:
    found, paths = options(argv, "dfc")
    text, code = given_text(ctx, argv, paths)
    split, wanted = found.get("d", "\t"), found.get("f", found.get("c", ""))
    if not re.fullmatch(r"[\d,-]+", wanted):
        return refuse(ctx, argv, f"fields {wanted!r}")
    for line in text.splitlines():
        parts = list(line) if "c" in found else line.split(split)
        chosen: list[str] = []
        for one in wanted.split(","):
            first, dash, last = one.partition("-")
            end = (int(last) if last else len(parts)) if dash else int(first)
            chosen += parts[int(first or 1) - 1 : end]
        whole = "f" in found and split not in line
        ctx.print(line if whole else ("" if "c" in found else split).join(chosen))
    return code


async def _sort(ctx: Context, argv: tuple[str, ...]) -> int:
    found, paths = options(argv)
    if extra := set(found) - set("nru"):
        return refuse(ctx, argv, f"-{min(extra)}")
    text, code = given_text(ctx, argv, paths)
    lines = text.splitlines()
    if "u" in found:
        lines = list(dict.fromkeys(lines))

    def number(line: str) -> float:
        matched = re.match(r"\s*-?\d+(\.\d+)?", line)
        return float(matched[0]) if matched else 0.0

    lines.sort(key=number if "n" in found else None, reverse="r" in found)
    for line in lines:
        ctx.print(line)
    return code


async def _uniq(ctx: Context, argv: tuple[str, ...]) -> int:
    found, paths = options(argv)
    text, code = given_text(ctx, argv, paths)
    groups: list[tuple[str, int]] = []
    for line in text.splitlines():
        if groups and groups[-1][0] == line:
            groups[-1] = (line, groups[-1][1] + 1)
        else:
            groups.append((line, 1))
    for line, count in groups:
        ctx.print(f"{count:7d} {line}" if "c" in found else line)
    return code


async def _tr(ctx: Context, argv: tuple[str, ...]) -> int:
    found, words = options(argv)
    if len(words) not in (1, 2) or set(found) - {"d"}:
        return refuse(ctx, argv, " ".join(argv[1:]))

    def letters(text: str) -> str:
        wide = re.sub(
            r"(.)-(.)", lambda m: "".join(map(chr, range(ord(m[1]), ord(m[2]) + 1))), text
        )
        return _unescaped(wide)

    old = letters(words[0])
    text = ctx.stdin.decode(errors="replace")
    if "d" in found:
        ctx.write("".join(sign for sign in text if sign not in old))
        return 0
    new = letters(words[1])
    new += new[-1:] * (len(old) - len(new))
    ctx.write(text.translate(str.maketrans(old, new[: len(old)])))
    return 0


async def _sed(ctx: Context, argv: tuple[str, ...]) -> int:
    found, words = options(argv, "e")
    program = found["e"] if "e" in found else (words.pop(0) if words else "")
    matched = re.fullmatch(r"s(.)(.*?)\1(.*?)\1(g?)", program)
    if matched is None or set(found) - {"e", "E", "r"}:
        return refuse(ctx, argv, program)
    text, code = given_text(ctx, argv, words)
    new = re.sub(r"(?<!\\)&", r"\\g<0>", matched[3])
    for line in text.splitlines():
        ctx.print(re.sub(matched[2], new, line, count=0 if matched[4] else 1))
    return code


async def _seq(ctx: Context, argv: tuple[str, ...]) -> int:
    if not argv[1:] or not all(re.fullmatch(r"-?\d+", one) for one in argv[1:]):
        return refuse(ctx, argv, " ".join(argv[1:]))
    numbers = [int(one) for one in argv[1:]]
    first, step, last = (
        (numbers[0], numbers[1], numbers[2])
        if len(numbers) == 3
        else (numbers[0] if len(numbers) == 2 else 1, 1, numbers[-1])
    )
    for number in range(first, last + (1 if step > 0 else -1), step):
        ctx.print(number)
    return 0


async def _date(ctx: Context, argv: tuple[str, ...]) -> int:
    shape = next((one[1:] for one in argv[1:] if one.startswith("+")), "%a %b %e %H:%M:%S UTC %Y")
    now = ctx.now()
    ctx.print(time.strftime(shape.replace("%s", str(int(now))), time.gmtime(now)))
    return 0


async def _tee(ctx: Context, argv: tuple[str, ...]) -> int:
    found, paths = options(argv)
    for path in paths:
        (ctx.files.append if "a" in found else ctx.files.write)(path, ctx.stdin)
    ctx.write(ctx.stdin.decode(errors="replace"))
    return 0


async def _rev(ctx: Context, argv: tuple[str, ...]) -> int:
    text, code = given_text(ctx, argv, list(argv[1:]))
    for line in text.splitlines():
        ctx.print(line[::-1])
    return code


TEXT_COMMANDS: Final[Mapping[str, Command]] = {
    "cat": _cat, "cut": _cut, "date": _date, "echo": _echo, "grep": _grep, "egrep": _grep,
    "head": _head, "printf": _printf, "rev": _rev, "sed": _sed, "seq": _seq, "sort": _sort,
    "tail": _tail, "tee": _tee, "tr": _tr, "uniq": _uniq, "wc": _wc,
}  # fmt: skip
