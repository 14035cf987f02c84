"""The two ends of a session: a process, a log or a port of the simulation, as the real loop sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from roost.adapters.virtual.files import MemoryFiles
from roost.apiserver.messages import Answer
from roost.node.logs import LogOptions, Selection
from roost.runtimes.port import Process, RuntimeFault
from roost.simulation.serving.across import Across

_POLL_S: Final = 0.1
_LINE_LIMIT: Final = 4096
_END_OF_INPUT: Final = b"\x04"
_HEAD_BYTES: Final = 64 << 10
_BODY_BYTES: Final = 16 << 20
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class FarProcess:
    """runtimes.port.Process on the real loop, of one that runs on the cluster's."""

    def __init__(self, across: Across, process: Process) -> None:
        self._across = across
        self._process = process
        self._printed: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()

    async def write(self, data: bytes) -> None:
        await self._across.run(lambda: self._process.write(data))

    async def close_stdin(self) -> None:
        await self._across.run(self._process.close_stdin)

    async def resize(self, width: int, height: int) -> None:
        await self._across.run(lambda: self._process.resize(width, height))

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        pump = asyncio.ensure_future(self._across.run(self._pump))
        pump.add_done_callback(lambda _: self._printed.put_nowait(None))
        try:
            while (part := await self._printed.get()) is not None:
                yield part
        finally:
            pump.cancel()

    async def _pump(self) -> None:
        """Pass on what is printed; on the cluster's loop."""
        async for part in self._process.output():
            self._across.tell(self._printed.put_nowait, part)

    async def wait(self) -> int:
        return await self._across.run(self._process.wait)

    async def close(self) -> None:
        await self._across.run(self._process.close)


class LateProcess:
    """runtimes.port.Process of a command that is begun when all of its input is there.

    Simulated commands read what was written before they look.
    """

    def __init__(self, begin: Callable[[bytes], Coroutine[Any, Any, Process]]) -> None:
        self._begin = begin
        self._given = bytearray()
        self._closed = asyncio.Event()
        self._process: Process | None = None

    async def write(self, data: bytes) -> None:
        if len(self._given) + len(data) > _BODY_BYTES:
            raise RuntimeFault("ExecError", f"more than {_BODY_BYTES} bytes of input")
        self._given += data

    async def close_stdin(self) -> None:
        self._closed.set()

    async def resize(self, width: int, height: int) -> None:
        """There is no terminal."""

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        await self._closed.wait()
        self._process = await self._begin(bytes(self._given))
        async for part in self._process.output():
            yield part

    async def wait(self) -> int:
        return 0 if self._process is None else await self._process.wait()

    async def close(self) -> None:
        if self._process is not None:
            await self._process.close()


class ShellSession:
    """runtimes.port.Process of a shell at a terminal: each line is a command of its own.

    What a line leaves behind in the shell (its folder, its variables) is not kept. `run` begins one.
    """

    def __init__(self, run: Callable[[str], Coroutine[Any, Any, Process]], prompt: str) -> None:
        self._run = run
        self._prompt = prompt.encode()
        self._keys: asyncio.Queue[bytes] = asyncio.Queue()
        self._code = 0

    async def write(self, data: bytes) -> None:
        self._keys.put_nowait(data)

    async def close_stdin(self) -> None:
        self._keys.put_nowait(_END_OF_INPUT)

    async def resize(self, width: int, height: int) -> None:
        """Lines are not wrapped here."""

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        yield 1, self._prompt
        line = ""
        while True:
            for key in (await self._keys.get()).decode(errors="replace"):
                if key in "\r\n":
                    yield 1, b"\r\n"
                    command, line = line.strip(), ""
                    if command == "exit":
                        return
                    if command:
                        async for shown in self._command(command):
                            yield 1, shown
                    yield 1, self._prompt
                elif key == "\x04" and not line:
                    yield 1, b"\r\n"
                    return
                elif key == "\x03":
                    line = ""
                    yield 1, b"^C\r\n" + self._prompt
                elif key in "\x7f\b":
                    if line:
                        line = line[:-1]
                        yield 1, b"\b \b"
                elif key.isprintable() and len(line) < _LINE_LIMIT:
                    line += key
                    yield 1, key.encode()

    async def _command(self, line: str) -> AsyncIterator[bytes]:
        process = await self._run(line)
        async for _, data in process.output():
            yield data.replace(b"\n", b"\r\n")
        self._code = await process.wait()

    async def wait(self) -> int:
        return self._code

    async def close(self) -> None:
        """A command that runs ends by itself."""


class LogReader:
    """Reads a container's log out of a node's files, and goes on as it grows."""

    def __init__(
        self,
        across: Across,
        files: MemoryFiles,
        paths: Sequence[str],
        is_running: Callable[[], bool],
        options: LogOptions,
    ) -> None:
        self._across = across
        self._files = files
        self._paths = tuple(paths)
        self._is_running = is_running
        self._options = options
        self._seen = b""  # the newest log, as it was looked at last

    async def pieces(self, selection: Selection) -> AsyncIterator[bytes]:
        """Yield what a selection shows; to follow, until the container has ended."""
        lines, running = await self._across.run(self._first)
        while True:
            if shown := selection.feed(lines):
                yield shown
            if selection.done or not running or not self._options.follow:
                return
            await asyncio.sleep(_POLL_S)
            lines, running = await self._across.run(self._more)

    async def _first(self) -> tuple[list[bytes], bool]:
        contents = [self._files.read(path) or b"" for path in self._paths]
        self._seen = contents[-1] if contents else b""
        lines = b"".join(contents).splitlines()
        if (count := self._options.tail_lines) is not None:
            lines = lines[-count:] if count else []
        return lines, self._is_running()

    async def _more(self) -> tuple[list[bytes], bool]:
        running = self._is_running()
        now = self._files.read(self._paths[-1]) or b"" if self._paths else b""
        seen, self._seen = self._seen, now
        if now.startswith(seen):
            return now[len(seen) :].splitlines(), running
        # The older half was dropped: what is new comes after the last line that was seen.
        last = seen[seen.rfind(b"\n", 0, -1) + 1 :]
        at = now.rfind(last)
        return now[at + len(last) if at >= 0 else 0 :].splitlines(), running


class LogSession:
    """runtimes.port.Process of an attached container: it shows what is printed, and takes nothing."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader

    async def write(self, data: bytes) -> None:
        """Nobody reads it."""

    async def close_stdin(self) -> None:
        """Nobody reads it."""

    async def resize(self, width: int, height: int) -> None:
        """There is no terminal."""

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        async for piece in self._reader.pieces(Selection(LogOptions())):
            yield 1, piece

    async def wait(self) -> int:
        return 0

    async def close(self) -> None:
        """The container goes on."""


#: method, target, headers, body -> answer
Fetch = Callable[[str, str, Mapping[str, str], bytes], Coroutine[Any, Any, Answer]]


class HttpPipe:
    """runtimes.port.Process of a forwarded port: HTTP/1.1 requests in, answers out, one by one.

    The simulated network carries requests, not bytes; what is no HTTP ends the session.
    """

    def __init__(self, across: Across, fetch: Fetch) -> None:
        self._across = across
        self._fetch = fetch
        self._given = bytearray()
        self._more = asyncio.Event()
        self._ended = False

    async def write(self, data: bytes) -> None:
        self._given += data
        self._more.set()

    async def close_stdin(self) -> None:
        self._ended = True
        self._more.set()

    async def resize(self, width: int, height: int) -> None:
        """There is no terminal."""

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        while True:
            request = take_request(self._given)
            if request is None:
                if self._ended:
                    return
                self._more.clear()
                await self._more.wait()
                continue
            method, target, headers, body = request
            answer = await self._answer(method, target, headers, body)
            closes = headers.get("connection", "").lower() == "close"
            yield 1, response_bytes(answer, method, closes=closes)
            if closes:
                return

    async def _answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        try:
            return await self._across.run(
                lambda: self._fetch(method, target, headers, body), hurry=True
            )
        except OSError as error:
            raise RuntimeFault("PortForward", str(error)) from error

    async def wait(self) -> int:
        return 0

    async def close(self) -> None:
        self._ended = True
        self._more.set()


def take_request(given: bytearray) -> tuple[str, str, dict[str, str], bytes] | None:
    """Take the first request out of what was sent; None: it is not complete yet.

    Raises RuntimeFault for what is no HTTP/1.
    """
    end = given.find(b"\r\n\r\n")
    if end < 0:
        if len(given) > _HEAD_BYTES or (given and not _may_be_http(given)):
            raise RuntimeFault("PortForward", "only HTTP/1 can be forwarded to a simulated pod")
        return None
    lines = bytes(given[:end]).decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise RuntimeFault("PortForward", "only HTTP/1 can be forwarded to a simulated pod")
    pairs = (line.partition(":") for line in lines[1:])
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    begin = end + 4
    if headers.get("transfer-encoding", "").lower() == "chunked":
        found = _unchunked(given, begin)
        if found is None:
            return None
        body, stop = found
    else:
        text = headers.get("content-length", "0")
        length = int(text) if text.isdigit() else 0
        if length > _BODY_BYTES:
            raise RuntimeFault("PortForward", f"a body of {length} bytes is too large to forward")
        if len(given) < begin + length:
            return None
        body, stop = bytes(given[begin : begin + length]), begin + length
    del given[:stop]
    if words[2] == "HTTP/1.0" and headers.get("connection", "").lower() != "keep-alive":
        headers["connection"] = "close"
    return words[0], words[1], headers, body


def _may_be_http(given: bytearray) -> bool:
    start = bytes(given[:8]).decode("latin-1")
    return any(start.startswith(f"{one} ") or one.startswith(start) for one in _METHODS)


def _unchunked(given: bytearray, position: int) -> tuple[bytes, int] | None:
    """Return a chunked body and where it ends; None: it is not complete yet."""
    parts: list[bytes] = []
    while True:
        end = given.find(b"\r\n", position)
        if end < 0:
            return None
        try:
            size = int(bytes(given[position:end]).split(b";")[0], 16)
        except ValueError:
            raise RuntimeFault("PortForward", "a chunk without a size") from None
        if size == 0:
            stop = given.find(b"\r\n", end + 2)
            while stop > end + 2:  # trailers
                end, stop = stop, given.find(b"\r\n", stop + 2)
            return (b"".join(parts), stop + 2) if stop >= 0 else None
        if sum(map(len, parts)) + size > _BODY_BYTES:
            raise RuntimeFault("PortForward", "a body that is too large to forward")
        if len(given) < end + 2 + size + 2:
            return None
        parts.append(bytes(given[end + 2 : end + 2 + size]))
        position = end + 2 + size + 2


def response_bytes(answer: Answer, method: str, *, closes: bool) -> bytes:
    """Return an answer as HTTP/1.1."""
    body = answer.whole()
    lines = [f"HTTP/1.1 {answer.code} -", f"content-length: {len(body)}"]
    if answer.content_type:
        lines.append(f"content-type: {answer.content_type}")
    lines += [f"{name}: {value}" for name, value in answer.headers if name != "content-length"]
    if closes:
        lines.append("connection: close")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
    return head if method == "HEAD" else head + body
