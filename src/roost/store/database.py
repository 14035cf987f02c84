"""The SQLite file behind SqliteStore: its form, and the statements that are run on it.

One row a change: `log(revision, key, created, deleted, value)`. A deletion's row holds the last state.
Everything here blocks and is called from the store's own thread only. The file is locked for as long as
it is open, so two servers can never write to one data directory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from roost.store.port import Damaged, Event, Full, Record
from roost.store.sealing import Sealing, Unsealed

_FORMAT: Final = 1
_APPLICATION: Final = 0x526F7374  # "Rost"
_LAST: Final = "\U0010ffff"

_SCHEMA: Final = """
CREATE TABLE log (
  revision INTEGER PRIMARY KEY,
  key TEXT NOT NULL,
  created INTEGER NOT NULL,
  deleted INTEGER NOT NULL,
  value BLOB NOT NULL
) STRICT;
CREATE INDEX log_key ON log (key, revision);
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
INSERT INTO meta VALUES ('compacted', 0);
"""
_VALUE: Final = "SELECT value FROM log WHERE revision = ?"
_REPLACE: Final = "UPDATE log SET value = ? WHERE revision = ?"
_INSERT: Final = "INSERT INTO log VALUES (?,?,?,?,?)"
#: Few enough that the statements for all smaller numbers stay prepared.
_ROWS_PER_STATEMENT: Final = 64
#: Reading all rows in order takes less than half of the time of looking for the newest of each key.
_ROWS: Final = "SELECT key, revision, created, value, deleted FROM log ORDER BY revision"
_STATE_AT: Final = """
SELECT key, revision, created, deleted, value FROM log AS this
WHERE key >= ? AND key < ? AND revision <= ? AND NOT EXISTS
  (SELECT 1 FROM log AS newer
   WHERE newer.key = this.key AND newer.revision > this.revision AND newer.revision <= ?)
"""
_EVENTS: Final = """
SELECT revision, key, created, deleted, value,
  (SELECT max(revision) FROM log AS old WHERE old.key = this.key AND old.revision < this.revision)
FROM log AS this WHERE revision > ? AND revision <= ? AND key >= ? AND key < ? ORDER BY revision
"""
_SUPERSEDED: Final = """
DELETE FROM log WHERE revision IN (
  SELECT revision FROM log AS this WHERE revision <= ?1 AND (deleted = 1 OR EXISTS
    (SELECT 1 FROM log AS newer
     WHERE newer.key = this.key AND newer.revision > this.revision AND newer.revision <= ?1))
  ORDER BY revision LIMIT ?2)
"""  # in order: a deletion's row must not go before the rows that it supersedes


class Loaded(NamedTuple):
    """What a store starts from."""

    records: list[Record]
    revision: int
    compacted: int


class Database:
    """The open file. Raises Damaged or Full; the message says what is wrong and what to do."""

    def __init__(self, path: Path, sealing: Sealing | None = None) -> None:
        self._path = path
        self._sealing: Sealing = sealing or Unsealed()
        self._connection: sqlite3.Connection

    def size_bytes(self) -> int:
        """Return how large the file and its log are."""
        files = (self._path, self._path.with_name(f"{self._path.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def open(self) -> Loaded:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path.touch(mode=0o600)
            self._connect()
            return self._load()
        except sqlite3.Error as error:
            raise self._explain(error) from error
        except OSError as error:
            raise Damaged(f"{self._path}: {error.strerror}") from error

    def _connect(self) -> None:
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, timeout=0.5
        )
        self._connection = connection
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -4096")
        connection.execute("BEGIN EXCLUSIVE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {_FORMAT}")
        connection.execute("COMMIT")
        if version not in (0, _FORMAT):
            raise Damaged(f"{self._path} was written by a newer Roost (format {version})")

    def _load(self) -> Loaded:
        connection = self._connection
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise Damaged(f"{self._path} is damaged ({verdict}); restore it from a backup")
        newest: dict[str, Record] = {}
        stale, sealing = [], self._sealing
        for key, revision, created, stored, deleted in connection.execute(_ROWS):
            value = sealing.open(key, stored)
            if sealing.stale(key, stored):
                stale.append((revision, key))
            if deleted:
                newest.pop(key, None)
            else:
                newest[key] = Record(key, revision, created, value)
        self._seal_anew(stale)
        (last,) = connection.execute("SELECT coalesce(max(revision), 1) FROM log").fetchone()
        (compacted,) = connection.execute(
            "SELECT value FROM meta WHERE name = 'compacted'"
        ).fetchone()
        return Loaded(list(newest.values()), max(last, compacted), compacted)

    def _seal_anew(self, stale: Sequence[tuple[int, str]]) -> None:
        """Write values anew that are in the clear, or sealed by an older key; leave nothing of them."""
        if not stale:
            return
        connection, sealing = self._connection, self._sealing
        connection.execute("BEGIN IMMEDIATE")
        try:
            for revision, key in stale:
                (stored,) = connection.execute(_VALUE, (revision,)).fetchone()
                sealed = sealing.seal(key, sealing.open(key, stored))
                connection.execute(_REPLACE, (sealed, revision))
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("VACUUM")  # pages keep pieces of what was moved in them
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def append(self, events: Sequence[Event]) -> None:
        """Write events in one transaction; when this returns they are on disk."""
        connection = self._connection
        try:
            if len(events) <= _ROWS_PER_STATEMENT:
                self._insert(events)
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                for start in range(0, len(events), _ROWS_PER_STATEMENT):
                    self._insert(events[start : start + _ROWS_PER_STATEMENT])
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._explain(error) from error

    def _insert(self, events: Sequence[Event]) -> None:
        """Insert rows by one statement, which is a transaction of its own unless in another.

        A statement gives up the interpreter once, and must wait to get it back: many small ones
        would keep every writer waiting while the event loop is busy.
        """
        values: list[Any] = []
        seal = self._sealing.seal
        for revision, key, record, _, deleted in events:
            values += (revision, key, record.created, deleted, seal(key, record.value))
        self._connection.execute(_INSERT + ",(?,?,?,?,?)" * (len(events) - 1), values)

    def state_at(self, prefix: str, revision: int) -> list[Record]:
        """Return the records under a prefix as they were at a revision."""
        rows = self._connection.execute(_STATE_AT, (prefix, prefix + _LAST, revision, revision))
        return [
            self._record(key, rev, made, value)
            for key, rev, made, deleted, value in rows
            if not deleted
        ]

    def events(self, prefix: str, since: int, until: int) -> list[Event]:
        """Return the events under a prefix with since < revision <= until."""
        rows = self._connection.execute(_EVENTS, (since, until, prefix, prefix + _LAST)).fetchall()
        return [
            Event(
                revision,
                key,
                self._record(key, revision, created, value),
                self._at(before),
                bool(gone),
            )
            for revision, key, created, gone, value, before in rows
        ]

    def _at(self, revision: int | None) -> Record | None:
        if revision is None:
            return None
        row = self._connection.execute(
            "SELECT key, revision, created, value, deleted FROM log WHERE revision = ?", (revision,)
        ).fetchone()
        return None if row is None or row[4] else self._record(*row[:4])

    def _record(self, key: str, revision: int, created: int, stored: bytes) -> Record:
        return Record(key, revision, created, self._sealing.open(key, stored))

    def begin_compaction(self, revision: int) -> None:
        """Note on disk that states before `revision` may be gone, before the first one goes."""
        self._change("UPDATE meta SET value = ? WHERE name = 'compacted'", revision)

    def compact(self, revision: int, rows: int) -> bool:
        """Remove up to `rows` superseded rows; return whether there may be more."""
        return self._change(_SUPERSEDED, revision, rows) == rows

    def _change(self, statement: str, *values: int) -> int:
        """Run one statement; return how many rows it changed."""
        try:
            return self._connection.execute(statement, values).rowcount
        except sqlite3.Error as error:
            raise self._explain(error) from error

    def close(self) -> None:
        self._connection.close()

    def _explain(self, error: sqlite3.Error) -> Damaged | Full:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return Full(f"no space left for {self._path}")
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return Damaged(f"{self._path} is in use by another server; stop that one first")
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            return Damaged(f"{self._path} is damaged ({error}); restore it from a backup")
        return Damaged(f"{self._path}: {error}")
