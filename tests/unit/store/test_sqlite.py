"""What the SQLite store adds to the contract: it survives restarts, kills, damage and full disks."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from contextlib import aclosing
from math import inf
from pathlib import Path

import pytest

from roost.store.port import ABSENT, ANY, Compacted, Damaged, Draft, Full
from roost.store.sqlite import SqliteStore

#: Writes numbered keys from 16 tasks and prints each key when (and only when) it is acknowledged.
WRITER = """
import asyncio, sys
from pathlib import Path
from roost.store.port import ABSENT, Draft
from roost.store.sqlite import SqliteStore

async def main():
    store = await SqliteStore.open(Path(sys.argv[1]))
    async def write(lane):
        for number in range(1_000_000):
            key = f"/{sys.argv[2]}/{lane}/{number}"
            draft = Draft(b'{"metadata":{"resourceVersion":"', b'","name":"%b"}}' % key.encode())
            await store.commit(key, draft, ABSENT)
            print(key, flush=True)
    await asyncio.gather(*(write(lane) for lane in range(16)))

asyncio.run(main())
"""


def draft(text: str = "") -> Draft:
    return Draft(b'{"metadata":{"resourceVersion":"', b'","name":"%b"}}' % text.encode())


def test_state_revision_and_history_survive_a_restart(tmp_path):
    path = tmp_path / "roost.db"

    async def before() -> int:
        store = await SqliteStore.open(path)
        for number in range(5):
            await store.commit("/a", draft(str(number)), ANY)
        await store.commit("/b", draft(), ABSENT)
        await store.commit("/b", None, ANY)
        await store.close()
        return store.revision()

    async def after(revision: int) -> None:
        store = await SqliteStore.open(path)
        assert store.revision() == revision
        page = await store.list("/")
        assert [(r.key, r.object["metadata"]["name"]) for r in page.records] == [("/a", "4")]
        then = await store.list("/", revision=revision - 1)
        assert [record.key for record in then.records] == ["/a", "/b"]
        async with aclosing(store.watch("/", revision - 3)) as watch:
            events = await anext(watch)
        assert [(e.key, e.deleted) for e in events] == [("/a", False), ("/b", False), ("/b", True)]
        assert events[0].previous is not None
        assert events[0].previous.object["metadata"]["name"] == "3"
        assert events[1].previous is None
        record = await store.commit("/c", draft(), ABSENT)
        assert record.revision == revision + 1
        await store.close()

    asyncio.run(after(asyncio.run(before())))


def test_compaction_survives_a_restart_and_frees_rows(tmp_path):
    path = tmp_path / "roost.db"

    async def scenario() -> None:
        store = await SqliteStore.open(path)
        for _ in range(50):
            await store.commit("/a", draft(), ANY)
        await store.commit("/gone", draft(), ABSENT)
        await store.commit("/gone", None, ANY)
        now = store.revision()
        await store.compact(now)
        await store.close()
        again = await SqliteStore.open(path)
        assert again.revision() == now
        assert [record.key for record in (await again.list("/")).records] == ["/a"]
        with pytest.raises(Compacted):
            await anext(again.watch("/", now - 1))
        rows = again._database._connection.execute("SELECT count(*) FROM log").fetchone()
        assert rows == (1,)
        await again.close()

    asyncio.run(scenario())


@pytest.mark.slow
def test_every_acknowledged_write_survives_kill_9(tmp_path):
    """Kills a writing process 20 times, at random moments."""
    path, chance, acknowledged = tmp_path / "roost.db", random.Random(7), set()
    for turn in range(20):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(turn)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            acknowledged.add(process.stdout.readline().decode().strip())
            timer = subprocess.Popen(["sleep", str(chance.uniform(0, 0.15))])
            timer.wait()
            os.kill(process.pid, signal.SIGKILL)
            lines = process.stdout.read().decode().split("\n")[:-1]
            acknowledged.update(lines)

    async def found() -> set[str]:
        store = await SqliteStore.open(path)
        keys = {record.key for record in (await store.list("/")).records}
        await store.close()
        return keys

    missing = acknowledged - asyncio.run(found())
    assert len(acknowledged) > 200
    assert not missing


def test_a_second_server_on_the_same_file_is_refused(tmp_path):
    async def scenario() -> None:
        store = await SqliteStore.open(tmp_path / "roost.db")
        with pytest.raises(Damaged, match="in use by another server"):
            await SqliteStore.open(tmp_path / "roost.db")
        await store.commit("/a", draft(), ABSENT)
        await store.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("spoil", [b"not a database" * 100, None])
def test_a_damaged_file_is_refused_and_left_alone(tmp_path: Path, spoil):
    path = tmp_path / "roost.db"

    async def fill() -> None:
        store = await SqliteStore.open(path)
        for number in range(200):
            await store.commit(f"/{number}", draft("x" * 200), ABSENT)
        await store.close()

    if spoil is None:
        asyncio.run(fill())
        content = bytearray(path.read_bytes())
        content[4096:9000] = os.urandom(4904)
        spoil = bytes(content)
    path.write_bytes(spoil)
    with pytest.raises(Damaged, match=str(path)):
        asyncio.run(SqliteStore.open(path))
    assert path.read_bytes() == spoil


@pytest.mark.parametrize("quick_s", [0.0, inf], ids=["in the thread", "on the loop"])
def test_a_full_disk_refuses_the_write_and_later_ones_work(tmp_path, quick_s):
    async def scenario() -> None:
        store = await SqliteStore.open(tmp_path / "roost.db", quick_s=quick_s)
        record = await store.commit("/a", draft(), ABSENT)
        connection = store._database._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        results = await asyncio.gather(
            *(store.commit(f"/big/{n}", draft("x" * 100_000), ABSENT) for n in range(4)),
            return_exceptions=True,
        )
        assert all(isinstance(result, Full) for result in results)
        with pytest.raises(Full):
            await store.commit("/alone", draft("x" * 100_000), ABSENT)
        assert store.revision() == record.revision
        assert store.fault()  # health checks tell it ...
        connection.execute("PRAGMA max_page_count = 100000")
        after = await store.commit("/b", draft(), ABSENT)
        assert store.fault() == ""  # ... until a write succeeds
        assert after.revision == record.revision + 1
        assert [r.key for r in (await store.list("/")).records] == ["/a", "/b"]
        await store.close()

    asyncio.run(scenario())


def test_a_compaction_that_fails_says_why_in_the_terms_of_a_store(tmp_path):
    async def scenario() -> None:
        store = await SqliteStore.open(tmp_path / "roost.db")
        for _ in range(3):
            await store.commit("/a", draft(), ANY)
        store._database._connection.execute("PRAGMA query_only = 1")
        with pytest.raises(Damaged, match=r"roost\.db"):
            await store.compact(2)
        store._database._connection.execute("PRAGMA query_only = 0")
        await store.compact(3)
        await store.close()

    asyncio.run(scenario())


def test_the_file_is_for_its_owner_only(tmp_path):
    async def scenario() -> None:
        store = await SqliteStore.open(tmp_path / "d" / "roost.db")
        await store.commit("/a", draft(), ABSENT)
        for file in (tmp_path / "d").iterdir():
            assert file.stat().st_mode & 0o077 == 0, file
        await store.close()

    asyncio.run(scenario())
