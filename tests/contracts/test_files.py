"""Every form of ports.Files keeps the same promises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from roost.adapters.real.files import DiskFiles
from roost.adapters.virtual.files import MemoryFiles
from roost.ports.port import Files

MAKERS: list[Callable[[], Files]] = [DiskFiles, MemoryFiles]


@pytest.fixture(params=MAKERS, ids=lambda maker: maker.__name__)
def files(request: pytest.FixtureRequest) -> Files:
    made: Files = request.param()
    return made


def test_what_was_written_is_read(files: Files, tmp_path: Path) -> None:
    path = f"{tmp_path}/deep/er/file"
    assert files.read(path) is None
    files.write(path, b"one")
    files.write(path, b"two", durable=True)
    assert files.read(path) == b"two"


def test_a_folder_lists_its_entries_in_order(files: Files, tmp_path: Path) -> None:
    assert files.list(f"{tmp_path}/none") == []
    for name in ("b", "a", "c/d"):
        files.write(f"{tmp_path}/folder/{name}", b"")
    assert files.list(f"{tmp_path}/folder") == ["a", "b", "c"]


def test_remove_takes_a_file_or_a_tree_or_nothing(files: Files, tmp_path: Path) -> None:
    files.write(f"{tmp_path}/a", b"")
    files.write(f"{tmp_path}/tree/b", b"")
    files.write(f"{tmp_path}/treetop", b"stays")
    files.remove(f"{tmp_path}/a")
    files.remove(f"{tmp_path}/tree")
    files.remove(f"{tmp_path}/nothing")
    assert files.read(f"{tmp_path}/a") is None
    assert files.list(f"{tmp_path}/tree") == []
    assert files.read(f"{tmp_path}/treetop") == b"stays"


def test_on_disk_the_mode_is_exact_and_nothing_is_left_over(tmp_path: Path) -> None:
    files = DiskFiles()
    files.write(f"{tmp_path}/d/secret", b"x")
    files.write(f"{tmp_path}/d/open", b"x", mode=0o666)
    assert (tmp_path / "d" / "secret").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "d" / "open").stat().st_mode & 0o777 == 0o666
    assert (tmp_path / "d").stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == ["open", "secret"]
