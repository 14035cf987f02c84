"""Small programs that use the network, as in busybox: wget, nslookup, httpd, nc; a little of curl."""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from roost.network.plan import DNS_ADDRESS
from roost.simulation.network.messages import Fault, Reply, Request, Response
from roost.simulation.workloads.context import Context
from roost.simulation.workloads.textcommands import Command, options, refuse

_PHRASES: Final = {400: "Bad Request", 404: "Not Found", 500: "Internal Server Error",
                   503: "Service Unavailable"}  # fmt: skip
_WORDS: Final = {
    "ECONNREFUSED": "Connection refused", "EHOSTUNREACH": "No route to host",
    "ECONNRESET": "Connection reset by peer", "ETIMEDOUT": "Connection timed out",
}  # fmt: skip


@dataclass(slots=True)
class _Order:
    """What wget is to do. `refused` names an option that it does not know."""

    url: str = ""
    target: str = ""
    timeout_s: float = 30.0
    method: str = "GET"
    body: str = ""
    spider: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    refused: str = ""


def _order(words: list[str]) -> _Order:
    """Read wget's command line."""
    order = _Order()
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            order.url = word
            continue
        if word.startswith(("-q", "-S")) and len(word) > 2:
            word = f"-{word[2:]}"
        if word in ("-q", "-S", "-c"):
            continue
        if word == "--spider":
            order.spider = True
            continue
        option, value = (word, "") if word.startswith("--") else (word[:2], word[2:])
        value = value or (words.pop(0) if words else "")
        match option:
            case "-O":
                order.target = value
            case "-T":
                order.timeout_s = float(value)
            case "--header":
                name, _, held = value.partition(":")
                order.headers[name.strip()] = held.strip()
            case "--post-data":
                order.method, order.body = "POST", value
            case _:
                order.refused = word
    return order


async def _wget(ctx: Context, argv: tuple[str, ...]) -> int:
    order = _order(list(argv[1:]))
    if order.refused or not order.url:
        return refuse(ctx, argv, order.refused or "no URL")
    url = order.url if "://" in order.url else f"http://{order.url}"
    try:
        answer = await ctx.fetch(
            url, method=order.method, headers=order.headers, body=order.body,
            timeout_s=order.timeout_s,
        )  # fmt: skip
    except Fault as fault:
        ctx.error(f"wget: {_complaint(url, fault)}")
        return 1
    except ValueError as error:
        return refuse(ctx, argv, str(error))
    if answer.status >= 400:
        phrase = _PHRASES.get(answer.status, "")
        ctx.error(f"wget: server returned error: HTTP/1.1 {answer.status} {phrase}".rstrip())
        return 1
    if order.target == "-":
        ctx.write(answer.text)
    elif not order.spider:
        name = order.target or posixpath.basename(urlsplit(url).path) or "index.html"
        ctx.files.write(name, answer.body)
    return 0


def _complaint(url: str, fault: Fault) -> str:
    parts = urlsplit(url)
    if fault.code == "ENOTFOUND":
        return f"bad address '{parts.hostname}'"
    if fault.code == "ETIMEDOUT":
        return "download timed out"
    return f"can't connect to remote host ({parts.hostname}): {_WORDS.get(fault.code, fault.code)}"


async def _curl(ctx: Context, argv: tuple[str, ...]) -> int:
    found, words = options(argv, "mHoXd")
    if extra := set(found) - set("sSfkLvimHoXd"):
        return refuse(ctx, argv, f"-{min(extra)}")
    if not words:
        ctx.error("curl: no URL specified!")
        return 2
    url = words[-1] if "://" in words[-1] else f"http://{words[-1]}"
    name, _, held = found.get("H", "").partition(":")
    body = found.get("d", "")
    try:
        answer = await ctx.fetch(
            url, method=found.get("X", "POST" if body else "GET"), body=body,
            headers={name: held.strip()} if name else {}, timeout_s=float(found.get("m") or 300),
        )  # fmt: skip
    except (Fault, ValueError) as error:
        ctx.error(f"curl: {error}")
        codes = {"ENOTFOUND": 6, "ECONNREFUSED": 7, "EHOSTUNREACH": 7, "ETIMEDOUT": 28}
        return codes.get(getattr(error, "code", ""), 56)
    if answer.status >= 400 and "f" in found:
        ctx.error(f"curl: (22) The requested URL returned error: {answer.status}")
        return 22
    if "o" not in found:
        ctx.write(answer.text)
    elif found["o"] != "/dev/null":
        ctx.files.write(found["o"], answer.body)
    return 0


async def _nslookup(ctx: Context, argv: tuple[str, ...]) -> int:
    kind, words = "", []
    for word in argv[1:]:
        if word.startswith(("-type=", "-query=", "-q=")):
            kind = word.partition("=")[2].upper()
        elif word.startswith("-"):
            return refuse(ctx, argv, word)
        else:
            words.append(word)
    if not words:
        return refuse(ctx, argv, "no name")
    name = words[0]
    ctx.print(f"Server:\t\t{DNS_ADDRESS}")
    ctx.print(f"Address:\t{DNS_ADDRESS}:53\n")
    try:
        if not kind:
            for address in ctx.resolve(name):
                ctx.print(f"Name:\t{name}")
                ctx.print(f"Address: {address}")
            return 0
        for record in ctx.lookup(name, kind):
            ctx.print(_record_line(record.name, record.type, record.data))
    except Fault:
        ctx.print(f"** server can't find {name}: NXDOMAIN")
        return 1
    return 0


def _record_line(name: str, kind: str, data: Any) -> str:
    match kind:
        case "A" | "AAAA":
            return f"Name:\t{name}\nAddress: {data}"
        case "CNAME":
            return f"{name}\tcanonical name = {data}"
        case "SRV":
            return f"{name}\tservice = {' '.join(map(str, data))}"
        case "PTR":
            return f"{name}\tname = {data}"
        case _:
            return f'{name}\ttext = "{data}"'


async def _httpd(ctx: Context, argv: tuple[str, ...]) -> int:
    found, words = options(argv, "phcur")
    if words or set(found) - set("fphv"):
        return refuse(ctx, argv, " ".join(argv[1:]))
    port = int(found.get("p", "80").rpartition(":")[2])
    home = found.get("h", ctx.files.folder)

    def page(request: Request) -> Reply:
        path = posixpath.normpath(unquote(urlsplit(request.path).path))
        place = posixpath.join(home, path.lstrip("/"))
        if not ctx.files.is_file(place):
            place = posixpath.join(place, "index.html")
        try:
            return Response(200, ctx.files.read(place))
        except OSError:
            return 404, "<HTML><BODY><H1>404 Not Found</H1></BODY></HTML>\n"

    try:
        ctx.listen(port, page)
    except OSError:
        ctx.error("httpd: bind: Address already in use")
        return 1
    if "f" in found:
        await ctx.sleep_for_ever()
    return 0


async def _nc(ctx: Context, argv: tuple[str, ...]) -> int:
    found, words = options(argv, "pwi")
    if "l" in found:
        return await _answer_once(ctx, argv, found)
    if len(words) != 2 or not words[1].isdigit():
        return refuse(ctx, argv, " ".join(argv[1:]))
    try:
        await ctx.connect(words[0], int(words[1]), timeout_s=float(found.get("w") or 30))
    except Fault as fault:
        if fault.code == "ENOTFOUND":
            ctx.error(f"nc: bad address '{words[0]}'")
        elif "z" not in found or "v" in found:
            words_ = _WORDS.get(fault.code, fault.code)
            ctx.error(f"nc: {words[0]} ({words[0]}:{words[1]}): {words_}")
        return 1
    if ctx.stdin:
        return refuse(ctx, argv, "sending")
    return 0


async def _answer_once(ctx: Context, argv: tuple[str, ...], found: dict[str, str]) -> int:
    """Answer one request with what is to be sent: an HTTP answer, as scripts write it."""
    if "p" not in found:
        return refuse(ctx, argv, "-l without -p")
    head, _, body = ctx.stdin.replace(b"\r\n", b"\n").partition(b"\n\n")
    words = head.split()
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 200
    asked = asyncio.Event()

    def answer(_request: Request) -> Response:
        asked.set()
        return Response(status, body if head.startswith(b"HTTP/") else ctx.stdin)

    port = int(found["p"])
    ctx.listen(port, answer)
    try:
        await asked.wait()
        await ctx.sleep(0)
    finally:
        ctx.close(port)
    return 0


NET_COMMANDS: Final[Mapping[str, Command]] = {
    "curl": _curl, "httpd": _httpd, "nc": _nc, "nslookup": _nslookup, "wget": _wget,
}  # fmt: skip
