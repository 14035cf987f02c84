"""Unpacking layers: what overlayfs needs, and that no tar reaches out of its folder."""

from __future__ import annotations

import gzip
import io
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from images import Entry, Files, digest, folder, layer_tar, link
from roost.runtimes.images.config import BadImage
from roost.runtimes.images.unpack import Unpacked, unpack
from roost.runtimes.syscalls import read_in_root

pytestmark = pytest.mark.root


def hard_link(target: str) -> Entry:
    return Entry(kind=tarfile.LNKTYPE, target=target)


def device(kind: bytes, major: int, minor: int) -> Entry:
    return Entry(kind=kind, device=(major, minor), mode=0o640)


def unpacked(target: Path, files: Files) -> Unpacked:
    target.mkdir(exist_ok=True)
    return unpack(io.BytesIO(layer_tar(files)), str(target))


def test_everything_a_tar_can_say(tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    found = unpacked(
        layer,
        {
            "./": folder(0o711, 7, 8),
            "./a/": folder(0o2750, 1000, 1001),
            "./a/setuid": Entry(b"program", 0o4755, 1000, 1001),
            "a/soft": link("/etc/passwd"),
            "a/hard": hard_link("a/setuid"),
            "a/fifo": Entry(kind=tarfile.FIFOTYPE, mode=0o600),
            "a/null": device(tarfile.CHRTYPE, 1, 3),
            "a/cap": Entry(
                b"x", 0o755, xattrs={"user.mark": "yes", "trusted.overlay.redirect": "/"}
            ),
        },
    )
    assert found.implicit == []
    assert found.size_bytes == len(b"program") + 1
    about = (layer / "a/setuid").stat()
    assert (stat.S_IMODE(about.st_mode), about.st_uid, about.st_gid) == (0o4755, 1000, 1001)
    assert about.st_mtime == 1_700_000_000
    assert about.st_ino == (layer / "a/hard").stat().st_ino
    assert (layer / "a/soft").readlink() == Path("/etc/passwd")
    assert stat.S_ISFIFO((layer / "a/fifo").stat().st_mode)
    assert (layer / "a/null").stat().st_rdev == os.makedev(1, 3)
    assert os.listxattr(layer / "a/cap") == ["user.mark"]
    assert stat.S_IMODE((layer / "a").stat().st_mode) == 0o2750
    assert (layer / "a").stat().st_mtime == 1_700_000_000
    assert (stat.S_IMODE(layer.stat().st_mode), layer.stat().st_uid) == (0o711, 7)


def test_whiteouts_take_overlay_s_form(tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    unpacked(
        layer,
        {
            "gone/": folder(),
            "gone/.wh.file": b"",
            "emptied/": folder(),
            "emptied/.wh..wh..opq": b"",
            "emptied/new": b"new",
            "again/": folder(),
            ".wh.again": b"",
            ".wh.later": b"",
            "later/": folder(),
            ".wh..wh.plnk": b"",
        },
    )
    whiteout = (layer / "gone/file").lstat()
    assert stat.S_ISCHR(whiteout.st_mode)
    assert whiteout.st_rdev == 0
    for name in ("emptied", "again", "later"):
        assert os.getxattr(layer / name, "trusted.overlay.opaque") == b"y"
    assert sorted(path.name for path in layer.iterdir()) == ["again", "emptied", "gone", "later"]


@pytest.mark.parametrize(
    "files",
    [
        {"../outside": b"x"},
        {"a/../../outside": b"x"},
        {"a/": folder(), "a/../../../outside": b"x"},
        {"out": link(".."), "hard": hard_link("out/../../secret")},
        {"hard": hard_link("/etc/../../../etc/shadow")},
        {"up": link("../.."), "hard": hard_link("up/secret")},
        {"file": b"x", "file/below": b"y"},
        {"dangling": link("nowhere"), "dangling/x": b"y"},
        {"raw": device(tarfile.CHRTYPE, 0, 0)},
    ],
)
def test_what_leads_out_or_astray_is_refused(tmp_path: Path, files: Files) -> None:
    (tmp_path / "secret").write_text("secret")
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(BadImage):
        unpacked(tmp_path / "layer", files)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "layer"])


@pytest.mark.parametrize("target", ["{outside}", "../outside", "/outside"])
def test_links_are_followed_inside_only(tmp_path: Path, target: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    layer = tmp_path / "layer"
    files = {
        "outside/": folder(),
        "way": link(target.format(outside=outside)),
        "way/file": b"payload",
        "way/.wh.other": b"",
        "swap/": folder(),
        "swap/file": b"first",
    }
    if target == "{outside}":
        with pytest.raises(BadImage):
            unpacked(layer, files)
    else:
        unpacked(layer, files)
        assert (layer / "outside/file").read_bytes() == b"payload"
    assert list(outside.iterdir()) == []


def test_a_file_is_never_written_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    entries = [("x", link(str(victim))), ("x", Entry(b"new", 0o600, 5, 5))]
    (tmp_path / "layer").mkdir()
    unpack(io.BytesIO(layer_tar(entries)), str(tmp_path / "layer"))
    assert victim.read_text() == "untouched"
    assert victim.stat().st_uid == 0
    assert (tmp_path / "layer/x").read_bytes() == b"new"


def test_later_entries_replace_earlier_ones(tmp_path: Path) -> None:
    entries = [
        ("a/", folder()),
        ("a/b", b"1"),
        ("c", b"old"),
        ("a", b"now a file"),
        ("c/", folder()),
        ("c/d", b"2"),
    ]
    unpack(io.BytesIO(layer_tar(entries)), str(tmp_path))
    assert (tmp_path / "a").read_bytes() == b"now a file"
    assert (tmp_path / "c/d").read_bytes() == b"2"


def test_sparse_files_stay_sparse(tmp_path: Path) -> None:
    source = tmp_path / "big"
    with source.open("wb") as file:
        file.write(b"start")
        file.seek(64 << 20)
        file.write(b"end")
    tar = tmp_path / "a.tar"
    subprocess.run(["tar", "-C", tmp_path, "-S", "-cf", tar, "big"], check=True)
    layer = tmp_path / "layer"
    layer.mkdir()
    with tar.open("rb") as file:
        unpack(file, str(layer))
    assert (layer / "big").stat().st_size == (64 << 20) + 3
    assert (layer / "big").stat().st_blocks * 512 < 4 << 20
    assert (layer / "big").read_bytes() == source.read_bytes()


def test_the_diff_id_is_of_the_whole_uncompressed_tar(tmp_path: Path) -> None:
    tar = layer_tar({"a": b"x" * 100_000}) + bytes(4096)
    half = len(tar) // 2
    members = gzip.compress(tar[:half]) + gzip.compress(tar[half:])  # as parallel gzips write
    for number, content in enumerate([tar, gzip.compress(tar), members]):
        layer = tmp_path / str(number)
        layer.mkdir()
        assert unpack(io.BytesIO(content), str(layer)).diff_id == digest(tar)
        assert (layer / "a").stat().st_size == 100_000


@pytest.mark.parametrize(
    "content", [b"", b"not a tar", b"\x1f\x8bbroken", gzip.compress(b"x" * 9999)[:-20]]
)
def test_what_is_no_tar_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadImage):
        unpack(io.BytesIO(content), str(tmp_path))


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python has zstd")
def test_zstd_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match=r"zstd layers need Python 3.14"):
        unpack(io.BytesIO(b"\x28\xb5\x2f\xfd" + b"x" * 100), str(tmp_path))


def test_only_regular_files_are_read_and_only_inside(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    outside.write_text("outside")
    (root / "etc").mkdir(parents=True)
    (root / "etc/real").write_text("inside")
    (root / "way").symlink_to("/etc/real")
    (root / "out").symlink_to(f"../../../..{outside}")
    (root / "away").symlink_to(outside)
    os.mkfifo(root / "fifo")
    os.mknod(root / "zero", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    found = {
        name: read_in_root(str(root), name) for name in ("way", "out", "away", "fifo", "zero", "no")
    }
    assert found == {"way": b"inside", "out": b"", "away": b"", "fifo": b"", "zero": b"", "no": b""}


def test_implicit_folders_are_reported(tmp_path: Path) -> None:
    found = unpacked(tmp_path / "layer", {"a/b/c": b"", "d/e": b"", "d/": folder()})
    assert found.implicit == ["a", "a/b"]
