"""What `kubectl logs` shows of a container's log. Pure: lines in, bytes out.

The file has the CRI's form: `TIME STREAM TAG TEXT`, where the tag P says that the line goes on in the
next entry of the same stream, and F that it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from roost.api.values import Object

_WAITING_WORDS: Final = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


class Entry(NamedTuple):
    """One entry of the file. `time` is RFC 3339 with nanoseconds, as written."""

    time: str
    stream: str
    partial: bool
    text: bytes


@dataclass(frozen=True, slots=True)
class LogOptions:
    """core/v1 PodLogOptions, checked."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since: float | None = None  # epoch seconds
    limit_bytes: int | None = None
    stream: str = "All"  # All, Stdout or Stderr


def parse_options(query: Mapping[str, str], now: float) -> LogOptions:
    """Return the options of a request. Raises ValueError with a text for its sender."""
    since = None
    if text := query.get("sinceTime"):
        since = parse_time(text)
    if text := query.get("sinceSeconds"):
        since = now - _positive("sinceSeconds", text, least=1)
    stream = query.get("stream", "") or "All"
    if stream not in ("All", "Stdout", "Stderr"):
        raise ValueError(f"invalid stream {stream!r}: must be All, Stdout or Stderr")
    return LogOptions(
        follow=_truth(query.get("follow", "")),
        previous=_truth(query.get("previous", "")),
        timestamps=_truth(query.get("timestamps", "")),
        tail_lines=_positive("tailLines", query["tailLines"]) if query.get("tailLines") else None,
        since=since,
        limit_bytes=_positive("limitBytes", query["limitBytes"], least=1)
        if query.get("limitBytes")
        else None,
        stream=stream,
    )


def _truth(text: str) -> bool:
    return text.lower() in ("true", "1")


def _positive(name: str, text: str, least: int = 0) -> int:
    try:
        number = int(text)
    except ValueError:
        raise ValueError(f"invalid {name} {text!r}: not a number") from None
    if number < least:
        raise ValueError(f"invalid {name} {text!r}: must be at least {least}")
    return number


def parse_time(text: str) -> float:
    """Return the epoch seconds of an RFC 3339 time (nanoseconds are cut to microseconds)."""
    head, dot, rest = text.partition(".")
    if dot:
        digits = len(rest) - len(rest.lstrip("0123456789"))
        text = f"{head}.{rest[: min(digits, 6)]}{rest[digits:]}"
    return datetime.fromisoformat(text).timestamp()


def parse_entry(line: bytes) -> Entry | None:
    """Return the entry of one line of the file, or None for what is no entry (a torn write)."""
    parts = line.rstrip(b"\n").split(b" ", 3)
    if len(parts) < 3 or parts[1] not in (b"stdout", b"stderr"):
        return None
    text = parts[3] if len(parts) == 4 else b""
    return Entry(parts[0].decode("ascii", "replace"), parts[1].decode(), parts[2] != b"F", text)


class Selection:
    """Applies options to entries as they come; `done` is set when the byte limit is reached."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._left = options.limit_bytes
        self._open: dict[str, bool] = {}  # stream -> its last entry was partial
        self.done = False

    def feed(self, lines: Iterable[bytes]) -> bytes:
        """Return what these lines of the file show."""
        shown = b"".join(self._show(entry) for line in lines if (entry := parse_entry(line)))
        if self._left is not None:
            shown = shown[: self._left]
            self._left -= len(shown)
            self.done = self._left <= 0
        return shown

    def _show(self, entry: Entry) -> bytes:
        options = self._options
        if options.stream != "All" and entry.stream != options.stream.lower():
            return b""
        continued = self._open.get(entry.stream, False)
        self._open[entry.stream] = entry.partial
        if options.since is not None and not continued and parse_time(entry.time) < options.since:
            return b""
        stamp = f"{entry.time} ".encode() if options.timestamps and not continued else b""
        return stamp + entry.text + (b"" if entry.partial else b"\n")


def tail_offset(blocks: Iterable[tuple[int, bytes]], count: int) -> int:
    """Return where the last `count` lines start: `blocks` are (offset, bytes) from the end back.

    Counts whole lines: an entry tagged P ends none.
    """
    if count == 0:
        return -1
    rest = b""
    seen = 0
    for offset, block in blocks:
        text = block + rest
        position = len(text)
        while True:
            before = text.rfind(b"\n", 0, max(0, position - 1))
            if before < 0:
                break
            entry = parse_entry(text[before + 1 : position])
            if entry is None or not entry.partial:
                seen += 1
                if seen > count:
                    return offset + position
            position = before + 1
        rest = text[:position]
    # What is left is the file's first line, which no line end comes before.
    first = parse_entry(rest)
    whole = first is None or not first.partial
    return len(rest) if rest and whole and seen + 1 > count else 0


def waiting(pods: Iterable[Object], namespace: str, pod: str, container: str) -> str:
    """Return that, and why, a container has not been started yet, as a kubelet says it of logs."""
    why = _waits_for(pods, namespace, pod, container)
    return f'container "{container}" in pod "{pod}" is waiting to start: {why}'


def _waits_for(pods: Iterable[Object], namespace: str, pod: str, container: str) -> str:
    for one in pods:
        metadata, status = one["metadata"], one.get("status") or {}
        if (metadata.get("namespace"), metadata["name"]) == (namespace, pod):
            for kind in ("initContainerStatuses", "containerStatuses"):
                for known in status.get(kind) or ():
                    waiting: Object = known.get("state", {}).get("waiting") or {}
                    reason = str(waiting.get("reason", ""))
                    if known["name"] == container and reason:
                        return _WAITING_WORDS.get(reason, reason)
    return "ContainerCreating"
