"""How a service ends that cannot go on."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest

from roost.adapters.real.files import DiskFiles
from roost.cli.process import run_service


async def parts(error: Exception) -> None:
    async def fail() -> None:
        raise error

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fail())


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("wrong"), "error: wrong\n"),
        (
            OSError(errno.ENOSPC, "of a library"),
            "error: No space left on device: free some of the disk that the data is on\n",
        ),
        (OSError(errno.EIO, "x"), "error: ended by a defect: OSError: [Errno 5] x\n"),
    ],
)
def test_one_line_says_why(capsys: pytest.CaptureFixture[str], error: Exception, said: str) -> None:
    with pytest.raises(SystemExit) as ended:
        run_service(parts(error), (ValueError,))
    assert ended.value.code == 1
    assert capsys.readouterr().err == said


def test_a_file_that_has_its_content_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "identity"
    DiskFiles().write_changed(str(path), b"one")
    first = path.stat()
    DiskFiles().write_changed(str(path), b"one")
    assert path.stat().st_ino == first.st_ino
    DiskFiles().write_changed(str(path), b"two")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"two", 0o600)
