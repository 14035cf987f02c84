"""Where the commands of the simulated shell read and print, and how redirections change that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from roost.simulation.workloads.files import ContainerFiles
from roost.simulation.workloads.script import Redirect, Unknown

Sink = Callable[[str], None]


@dataclass(slots=True)
class Input:
    """What is left to be read."""

    data: bytes = b""

    def line(self) -> str | None:
        """Take the next line; None at the end."""
        if not self.data:
            return None
        line, _, self.data = self.data.partition(b"\n")
        return line.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Streams:
    """Where a command reads and prints."""

    input: Input
    out: Sink
    err: Sink

    def __call__(self, stream: int, text: str) -> None:
        (self.out if stream == 1 else self.err)(text)


def redirected(files: ContainerFiles, streams: Streams, redirect: Redirect, path: str) -> Streams:
    """Return the streams with one redirection; raises OSError for a file that cannot be used."""
    if redirect.operator == "<":
        data = b"" if path == "/dev/null" else files.read(path)
        return replace(streams, input=Input(data))
    if redirect.operator == ">&":
        sink = {"1": streams.out, "2": streams.err}.get(path)
        if sink is None:
            raise Unknown(f">&{path}")
    else:
        sink = _sink(files, streams, path, append=redirect.operator == ">>")
    if redirect.stream == 3:
        return replace(streams, out=sink, err=sink)
    return replace(streams, out=sink) if redirect.stream == 1 else replace(streams, err=sink)


def _sink(files: ContainerFiles, streams: Streams, path: str, *, append: bool) -> Sink:
    match path:
        case "/dev/null":
            return _drop
        case "/dev/stdout":
            return streams.out
        case "/dev/stderr":
            return streams.err
    (files.append if append else files.write)(path, b"")
    return lambda text: files.append(path, text)


def _drop(_text: str) -> None:
    """Print to nowhere."""
