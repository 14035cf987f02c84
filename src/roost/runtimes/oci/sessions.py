"""Sessions with people in them: exec, attach and port-forward, as Process of the port.

All of them read only when somebody wants output, so that a slow client slows the program down and fills
no memory. Descriptors are non-blocking and waited for in the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import struct
import termios
from collections.abc import AsyncIterator, Callable

import msgspec

from roost.api.values import Object
from roost.runtimes.oci import processes
from roost.runtimes.oci.decide import last_error
from roost.runtimes.port import RuntimeFault

_PROCESS_FD, _LOG_FD = 3, 4
#: Where a program that is started with `ExecSession` finds the process it shall run.
PROCESS_FILE = f"/proc/self/fd/{_PROCESS_FD}"
#: Where it says, as lines of JSON, what it could not do.
LOG_FILE = f"/proc/self/fd/{_LOG_FD}"
_CHUNK = 32768
#: What conmon's attach socket carries in one packet.
_PACKET = 8192
_CONMON_STREAMS = {2: 1, 3: 2}


class _Waits:
    """Waiting for descriptors, all of which can be broken off before they are closed."""

    def __init__(self) -> None:
        self._over = asyncio.get_running_loop().create_future()

    async def end(self) -> None:
        """Wake everybody who waits, and give them the time to let go of the descriptors."""
        if not self._over.done():
            self._over.set_result(None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def readable(self, fds: list[int]) -> list[int]:
        """Return those of `fds` that can be read, when there is one; none if it is over."""
        ready: list[int] = []
        loop = asyncio.get_running_loop()
        await self._first(fds, loop.add_reader, loop.remove_reader, ready)
        return ready

    async def writable(self, fd: int) -> bool:
        """Return when `fd` can be written; False if it is over."""
        ready: list[int] = []
        loop = asyncio.get_running_loop()
        await self._first([fd], loop.add_writer, loop.remove_writer, ready)
        return bool(ready)

    async def _first(
        self,
        fds: list[int],
        add: Callable[..., object],
        remove: Callable[[int], object],
        ready: list[int],
    ) -> None:
        if self._over.done():
            return
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def mark(fd: int) -> None:
            ready.append(fd)
            remove(fd)
            if not first.done():
                first.set_result(None)

        for fd in fds:
            add(fd, mark, fd)
        try:
            await asyncio.wait((first, self._over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for fd in fds:
                remove(fd)

    async def write_all(self, fd: int, data: bytes) -> None:
        """Write all of `data`, or until it is over. Raises OSError."""
        view = memoryview(data)
        while view and not self._over.done():
            try:
                view = view[os.write(fd, view) :]
            except BlockingIOError:
                await self.writable(fd)

    async def outputs(self, streams: dict[int, int]) -> AsyncIterator[tuple[int, bytes]]:
        """Yield (stream, bytes) from descriptors until all have ended, or it is over."""
        fds = dict(streams)
        while fds and not self._over.done():
            for fd in await self.readable(list(fds)):
                data = _read(fd)
                if data:
                    yield fds[fd], data
                elif data is not None:
                    del fds[fd]


def _read(fd: int) -> bytes | None:
    """Return what can be read now, b"" at the end, None if nothing yet."""
    try:
        return os.read(fd, _CHUNK)
    except BlockingIOError:
        return None
    except OSError:
        return b""  # a terminal whose other side has gone says EIO


def _resize_terminal_of(pid: int, size: bytes) -> None:
    """Set the size of the pseudo-terminal that is a process's stdin, if it is one."""
    path = f"/proc/{pid}/fd/0"
    with contextlib.suppress(OSError):
        if not os.readlink(path).startswith("/dev/pts/"):  # noqa: PTH115  # text, not a Path
            return
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.ioctl(fd, termios.TIOCSWINSZ, size)
        finally:
            os.close(fd)


class ExecSession:
    """A further process in a container: the OCI runtime's exec, on a terminal or on three pipes."""

    def __init__(self, argv: list[str], process: Object, *, tty: bool, stdin: bool) -> None:
        """Start `argv`, which reads the OCI document `process` from PROCESS_FILE and keeps its log in
        LOG_FILE. Raises OSError."""
        self._terminal = tty
        self._waits = _Waits()
        ours, theirs = self._open_terminal() if tty else self._open_pipes(stdin=stdin)
        document = os.memfd_create("process", os.MFD_CLOEXEC)
        self._log = os.memfd_create("log", os.MFD_CLOEXEC)
        theirs |= {_PROCESS_FD: document, _LOG_FD: os.dup(self._log)}
        try:
            os.write(document, msgspec.json.encode(process))
            self._child = processes.spawn(argv, files=theirs)
        except OSError:
            for fd in {self._log, *ours.values()}:
                os.close(fd)
            raise
        finally:
            for fd in set(theirs.values()):
                os.close(fd)
        self._stdin = ours.pop(0, -1)
        self._streams = {fd: stream for stream, fd in ours.items()}
        self._ended = asyncio.Lock()
        self._exit_code: int | None = None
        self._closed = False

    @staticmethod
    def _open_terminal() -> tuple[dict[int, int], dict[int, int]]:
        master, slave = os.openpty()
        os.set_blocking(master, False)
        # The program in the container has a terminal of its own behind this one: pass bytes untouched.
        attributes = termios.tcgetattr(slave)
        attributes[0] = attributes[1] = attributes[3] = 0
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        return {0: os.dup(master), 1: master}, {0: slave, 1: slave, 2: slave}

    @staticmethod
    def _open_pipes(*, stdin: bool) -> tuple[dict[int, int], dict[int, int]]:
        ours, theirs = {}, {}
        for number in (0, 1, 2) if stdin else (1, 2):
            reading, writing = os.pipe2(os.O_CLOEXEC)
            ours[number], theirs[number] = (writing, reading) if number == 0 else (reading, writing)
            os.set_blocking(ours[number], False)
        return ours, theirs

    async def write(self, data: bytes) -> None:
        """Pass input on; waits while the program does not read. Input after its end is dropped."""
        if self._stdin >= 0:
            with contextlib.suppress(BrokenPipeError, OSError):
                await self._waits.write_all(self._stdin, data)

    async def close_stdin(self) -> None:
        """End the input; on a terminal that is what ^D would do."""
        if self._stdin >= 0:
            if self._terminal:
                await self.write(b"\x04")
            os.close(self._stdin)
            self._stdin = -1

    async def resize(self, width: int, height: int) -> None:
        """Set the terminal's size in characters."""
        if self._terminal and not self._closed:
            size = struct.pack("HHHH", height, width, 0, 0)
            for fd in self._streams:
                fcntl.ioctl(fd, termios.TIOCSWINSZ, size)
            self._child.signal(signal.SIGWINCH)  # runc then passes the size on; crun does not
            for pid in processes.children(self._child.pid):
                _resize_terminal_of(pid, size)

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield (1 or 2, bytes) until both streams have ended."""
        async for stream, data in self._waits.outputs(self._streams):
            # Once the OCI runtime has logged why it cannot, it prints the same: no output of a program.
            if not self._fault():
                yield stream, data

    async def wait(self) -> int:
        """Return the exit code. Raises RuntimeFault if there was nothing to run."""
        code = await self._code()
        fault = self._fault()
        if fault:
            words = f"failed to exec in container: OCI runtime exec failed: {fault}: unknown"
            raise RuntimeFault("ExecError", words)
        return code

    def _fault(self) -> str:
        """Return why the program was not started; "" while nothing says so."""
        size = 0 if self._closed else os.fstat(self._log).st_size
        return last_error(os.pread(self._log, size, 0)) if size else ""

    async def _code(self) -> int:
        async with self._ended:
            if self._exit_code is None:
                self._exit_code = await self._child.wait()
            return self._exit_code

    async def close(self) -> None:
        """Hang up, close the streams, and wait a moment for the end."""
        if self._closed:
            return
        self._closed = True
        if self._exit_code is None:
            self._child.signal(signal.SIGHUP)
        await self._waits.end()
        for fd in [self._stdin, self._log, *self._streams]:
            if fd >= 0:
                os.close(fd)
        self._stdin = -1
        self._streams = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                await self._code()
                return
        # It does not listen: end the go-between, so that nothing of ours is left.
        self._child.signal(signal.SIGKILL)
        await self._code()


class _SocketSession:
    """A session over one socket; it is over when its output ends or it is closed."""

    def __init__(self, connection: socket.socket) -> None:
        os.set_blocking(connection.fileno(), False)
        self._socket = connection
        self._over = asyncio.Event()
        self._reading = False

    async def _packets(self, size: int) -> AsyncIterator[bytes]:
        try:
            while packet := await self._packet(size):
                yield packet
        finally:
            self._over.set()

    async def _packet(self, size: int) -> bytes:
        self._reading = True
        try:
            return await asyncio.get_running_loop().sock_recv(self._socket, size)
        except OSError:
            return b""
        finally:
            self._reading = False

    async def wait(self) -> int:
        """Return 0 when the output has ended or the session was closed."""
        await self._over.wait()
        return 0

    async def close(self) -> None:
        """End the session; what is at the other end goes on."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._reading:  # a socket must not be closed under its reader, who now wakes up
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._over.wait()
        self._over.set()
        self._socket.close()


class AttachSession(_SocketSession):
    """A connection to a container's main process, by the monitor's packet socket."""

    def __init__(
        self, connection: socket.socket, *, stdin: bool, resize: Callable[[int, int], None]
    ) -> None:
        super().__init__(connection)
        self._stdin = stdin
        self._resize = resize

    async def write(self, data: bytes) -> None:
        """Pass input on to the container's main process."""
        if not self._stdin:
            return
        loop = asyncio.get_running_loop()
        for start in range(0, len(data), _PACKET):
            with contextlib.suppress(OSError):
                await loop.sock_sendall(self._socket, data[start : start + _PACKET])

    async def close_stdin(self) -> None:
        """Say that no more input comes; the container keeps its stdin open unless it is stdinOnce."""
        if self._stdin:
            self._stdin = False
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)

    async def resize(self, width: int, height: int) -> None:
        """Set the size of the container's terminal in characters."""
        self._resize(width, height)

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield (1 or 2, bytes) until the container ends."""
        async for packet in self._packets(_PACKET + 1):
            if len(packet) > 1:
                yield _CONMON_STREAMS.get(packet[0], 1), packet[1:]


class PortSession(_SocketSession):
    """A TCP connection into a sandbox."""

    async def write(self, data: bytes) -> None:
        """Send; raises ConnectionError when the other side has gone."""
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def close_stdin(self) -> None:
        """Half-close: no more comes from us."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    async def resize(self, width: int, height: int) -> None:
        """Do nothing: there is no terminal."""

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield (1, bytes) until the other side closes."""
        async for data in self._packets(_CHUNK):
            yield 1, data
