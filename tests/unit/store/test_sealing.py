"""Secrets on disk: never in clear, by keys that change, and clear words when a key is missing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from roost.adapters.real.files import DiskFiles
from roost.adapters.virtual.files import MemoryFiles
from roost.store.port import ABSENT, ANY, Damaged, Draft
from roost.store.sealing import Keyring
from roost.store.sqlite import SqliteStore

SECRET, OTHER = "/secrets/ns/a", "/configmaps/ns/a"


def draft(text: str) -> Draft:
    return Draft(b'{"metadata":{"resourceVersion":"', b'","data":"%b"}}' % text.encode())


def ring(files: MemoryFiles | DiskFiles | None = None, path: str = "/d/keys") -> Keyring:
    return Keyring(files or MemoryFiles(), path, ("/secrets/",))


def test_only_what_is_secret_is_sealed_and_no_two_are_alike() -> None:
    keys = ring()
    assert keys.seal(OTHER, b"{}") == b"{}"
    first, second = keys.seal(SECRET, b"{}"), keys.seal(SECRET, b"{}")
    assert first != second
    assert keys.open(SECRET, first) == keys.open(SECRET, second) == b"{}"
    assert keys.open(SECRET, b"{}") == b"{}"  # from before there was a key


def test_a_value_cannot_be_moved_or_changed() -> None:
    keys = ring()
    sealed = keys.seal(SECRET, b"{}")
    for key, stored in (
        (f"{SECRET}b", sealed),
        (SECRET, sealed[:-1] + b"x"),
        (SECRET, sealed[:30]),
    ):
        with pytest.raises(Damaged, match="cannot be opened by the key"):
            keys.open(key, stored)


def test_a_new_key_seals_and_the_old_one_still_opens() -> None:
    files = MemoryFiles()
    server, command = ring(files), ring(files)
    old = server.seal(SECRET, b"old")
    assert not server.stale(SECRET, old)
    made = command.rotate()  # by another process
    new = server.seal(SECRET, b"new")
    assert made.encode() in new
    assert server.stale(SECRET, old)
    assert (server.open(SECRET, old), server.open(SECRET, new)) == (b"old", b"new")
    assert len(command.ids()) == 2
    assert ring(files).open(SECRET, old) == b"old"


def test_a_missing_key_is_said_and_none_is_made_in_its_place() -> None:
    sealed = ring().seal(SECRET, b"{}")
    files = MemoryFiles()
    with pytest.raises(Damaged, match="which is not in /d/keys: put that file back"):
        ring(files).open(SECRET, sealed)
    assert files.read("/d/keys") is None


@pytest.mark.parametrize("text", [b"nonsense\n", b"abcd1234 AAAA\n", b"\xff\n"])
def test_a_damaged_key_file_is_named(text: bytes) -> None:
    files = MemoryFiles()
    files.write("/d/keys", text)
    for use in (lambda keys: keys.seal(SECRET, b"{}"), lambda keys: keys.rotate()):
        with pytest.raises(Damaged, match="/d/keys: line 1 is no key"):
            use(ring(files))


def test_keys_in_use_are_never_in_memory_alone() -> None:
    files = MemoryFiles()
    keys = ring(files)
    keys.seal(SECRET, b"{}")
    files.remove("/d/keys")
    sealed = keys.seal(SECRET, b"{}")
    assert ring(files).open(SECRET, sealed) == b"{}"


class TestInTheStore:
    """The file of a SqliteStore."""

    def disk(self, tmp_path: Path) -> Keyring:
        return ring(DiskFiles(), str(tmp_path / "keys"))

    def play(self, tmp_path: Path, steps, *, sealed: bool = True) -> None:
        async def body() -> None:
            sealing = self.disk(tmp_path) if sealed else None
            store = await SqliteStore.open(tmp_path / "roost.db", sealing=sealing)
            try:
                await steps(store)
            finally:
                await store.close()

        asyncio.run(body())

    def on_disk(self, tmp_path: Path, word: bytes) -> bool:
        return any(word in path.read_bytes() for path in tmp_path.glob("roost.db*"))

    def test_restarts_histories_and_watches_see_what_was_written(self, tmp_path: Path) -> None:
        async def write(store: SqliteStore) -> None:
            await store.commit(SECRET, draft("hush-one"), ABSENT)
            await store.commit(OTHER, draft("plain"), ABSENT)
            await store.commit(SECRET, draft("hush-two"), ANY)
            assert not self.on_disk(tmp_path, b"hush")
            assert self.on_disk(tmp_path, b"plain")

        async def read(store: SqliteStore) -> None:
            found = await store.get(SECRET)
            assert found is not None
            assert b"hush-two" in found.value
            past = await store.list("/", revision=found.revision - 1)
            assert b"hush-one" in past.records[1].value
            async for batch in store.watch("/secrets/", found.revision - 3):
                assert [b"hush" in event.record.value for event in batch] == [True, True]
                assert b"hush-one" in batch[1].previous.value
                break
            await store.commit(SECRET, None, ANY)

        self.play(tmp_path, write)
        assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600
        self.play(tmp_path, read)
        assert not self.on_disk(tmp_path, b"hush")

    def test_what_was_in_clear_or_under_an_old_key_is_written_anew(self, tmp_path: Path) -> None:
        async def write(store: SqliteStore) -> None:
            for number in range(50):
                await store.commit(f"{SECRET}{number}", draft("hush" * 100), ABSENT)

        async def read(store: SqliteStore) -> None:
            page = await store.list("/secrets/")
            assert all(b"hush" in record.value for record in page.records)

        self.play(tmp_path, write, sealed=False)
        assert self.on_disk(tmp_path, b"hush")
        self.play(tmp_path, read)
        assert not self.on_disk(tmp_path, b"hush")
        (first,) = self.disk(tmp_path).ids()
        self.disk(tmp_path).rotate()
        self.play(tmp_path, read)
        assert not self.on_disk(tmp_path, first.encode())

    def test_a_lost_key_file_stops_the_start(self, tmp_path: Path) -> None:
        async def write(store: SqliteStore) -> None:
            await store.commit(SECRET, draft("hush"), ABSENT)

        self.play(tmp_path, write)
        (tmp_path / "keys").unlink()
        with pytest.raises(Damaged, match=f"{SECRET} is sealed by the key"):
            self.play(tmp_path, write)
        assert not (tmp_path / "keys").exists()
