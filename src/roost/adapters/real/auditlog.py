"""An audit log in a file: written by a thread in batches, rotated by size, readable by its owner alone.
What was put aside goes when there are too many of it, or (at the next look, a start or a rotation) when
it is too old.

Rule: who is audited never waits. When the disk cannot keep up, what is too much is dropped, counted, and
said in the log of the server.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

log = logging.getLogger(__name__)

_WAITING_BYTES: Final = 64 * 1024 * 1024
_BATCH_S: Final = 0.2


class AuditFile:
    """A roost.apiserver.auditing.auditor.AuditSink; "-" is the standard output.

    Raises OSError if the file cannot be opened.
    """

    def __init__(self, path: str, most_bytes: int, backups: int, oldest_s: float = 0.0) -> None:
        self.dropped = 0
        self._path = path
        self._most_bytes = most_bytes
        self._backups = backups
        self._oldest_s = oldest_s
        self._lines: list[bytes] = []
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._end = threading.Event()
        self._file = self._open()
        self._forget()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        with self._lock:
            if self._waiting_bytes > _WAITING_BYTES:
                self.dropped += 1
                return
            self._lines.append(line)
            self._waiting_bytes += len(line)
        self._wake.set()

    def close(self) -> None:
        """Write what waits, and close the file."""
        self._end.set()
        self._wake.set()
        self._thread.join()
        if self._path != "-":
            self._file.close()

    def _open(self) -> BinaryIO:
        if self._path == "-":
            return sys.stdout.buffer
        Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return os.fdopen(os.open(self._path, flags, 0o600), "ab", buffering=0)

    def _run(self) -> None:
        dropped = 0
        while True:
            self._wake.wait()
            ended = self._end.is_set()
            self._wake.clear()
            with self._lock:
                lines, self._lines = self._lines, []
                self._waiting_bytes = 0
            try:
                self._put(b"".join(lines))
            except OSError as error:
                self.dropped += len(lines)
                log.error("cannot write the audit log %s: %s", self._path, error)  # noqa: TRY400
            if self.dropped > dropped:
                log.error("%d audit events are lost so far", self.dropped)
                dropped = self.dropped
            if ended and not self._lines:
                return
            self._end.wait(_BATCH_S)  # what comes meanwhile is written at once

    def _put(self, batch: bytes) -> None:
        if not batch:
            return
        if self._path != "-" and self._most_bytes:
            size = self._file.seek(0, os.SEEK_END)
            if size and size + len(batch) > self._most_bytes:
                self._rotate()
        view = memoryview(batch)
        while view:
            view = view[self._file.write(view) or len(view) :]
        if self._path == "-":
            self._file.flush()

    def _rotate(self) -> None:
        """Put the file aside as PATH.1, and what was aside one further."""
        self._file.close()
        for number in range(self._backups, 0, -1):
            older = f"{self._path}.{number - 1}" if number > 1 else self._path
            with suppress(FileNotFoundError):
                Path(older).replace(f"{self._path}.{number}")
        if not self._backups:
            Path(self._path).unlink(missing_ok=True)
        self._forget()
        self._file = self._open()

    def _forget(self) -> None:
        """Remove what was put aside and was written last before the oldest day that counts."""
        if not self._oldest_s or self._path == "-":
            return
        for number in range(1, self._backups + 1):
            aside = Path(f"{self._path}.{number}")
            with suppress(FileNotFoundError):
                if time.time() - aside.stat().st_mtime > self._oldest_s:
                    aside.unlink()
