"""A layer's tar into a folder that overlayfs can use as it is. Runs in a thread.

Layers come from strangers and are unpacked by root. Every name is resolved by the kernel as if the
layer's folder were / (openat2 RESOLVE_IN_ROOT), and the last component is never followed: nothing
outside the folder can be read, written or linked, whatever links and ".." a tar carries. Extended
attributes that mean something to overlayfs itself are not taken from a tar.
Whiteouts become character devices 0/0, opaque folders the attribute trusted.overlay.opaque.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Protocol

from roost.runtimes import syscalls
from roost.runtimes.images.config import BadImage

_WHITEOUT = ".wh."
_OPAQUE_MARK = ".wh..wh..opq"
_OPAQUE = "trusted.overlay.opaque"
_XATTR = "SCHILY.xattr."
_TAKEN_XATTRS = ("user.", "security.capability")
_CHUNK = 1 << 18
_ZEROS = bytes(_CHUNK)
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@dataclass(slots=True)
class Unpacked:
    """What a tar turned out to be. `implicit`: folders that it uses without saying what they are."""

    diff_id: str = ""
    size_bytes: int = 0
    implicit: list[str] = field(default_factory=list)


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Gunzip:
    """Reads gzip of any number of members; Python's own is several times slower."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._member = zlib.decompressobj(31)
        self._input = b""

    def read(self, size: int) -> bytes:
        while True:
            if not self._input:
                self._input = self._file.read(_CHUNK)
                if not self._input:
                    if not self._member.eof:
                        raise BadImage("a compressed layer is cut short")
                    return b""
            if self._member.eof:
                if not self._input.startswith(_GZIP):  # padding after the last member
                    self._input = b""
                    continue
                self._member = zlib.decompressobj(31)
            output = self._member.decompress(self._input, size)
            self._input = self._member.unconsumed_tail or self._member.unused_data
            if output:
                return output


class _Hashed:
    """Hashes all that is read through it."""

    def __init__(self, source: _Source) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        content = self._source.read(size)
        self.digest.update(content)
        return content


def decompressed(file: IO[bytes]) -> _Source:
    """Return a reader of what `file` holds: plain, gzip, or zstd where this Python has it."""
    start = file.read(4)
    file.seek(-len(start), os.SEEK_CUR)
    if start.startswith(_GZIP):
        return _Gunzip(file)
    if start == _ZSTD:
        try:
            from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # 3.14
        except ImportError as error:
            raise BadImage("zstd layers need Python 3.14 or newer") from error
        reader: _Source = zstd.ZstdFile(file)
        return reader
    return file


def unpack(file: IO[bytes], folder: str) -> Unpacked:
    """Unpack a layer into the existing, empty `folder`; `file` can be read and sought back once.

    Raises BadImage for a bad tar, OSError for a bad disk.
    """
    source = _Hashed(decompressed(file))
    result = Unpacked()
    try:
        with (
            contextlib.closing(_Tree(folder, result)) as tree,
            tarfile.open(fileobj=source, mode="r|", bufsize=_CHUNK) as tar,  # type: ignore[call-overload]
        ):
            while (member := tar.next()) is not None:
                tree.add(tar, member)
                tar.members.clear()  # tarfile would keep every header in memory
            tree.finish()
        while source.read(_CHUNK):
            pass
    except (tarfile.TarError, zlib.error, EOFError, UnicodeError) as error:
        raise BadImage(f"a layer is not a proper tar: {error}") from error
    result.diff_id = f"sha256:{source.digest.hexdigest()}"
    return result


class _Tree:
    """The folder that a layer is unpacked into."""

    def __init__(self, folder: str, result: Unpacked) -> None:
        self._result = result
        self._root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._parent_path = ""
        self._parent = os.dup(self._root)
        self._times: list[tuple[str, int]] = []
        self._said: set[str] = {""}

    def close(self) -> None:
        os.close(self._parent)
        os.close(self._root)

    def finish(self) -> None:
        """Set the folders' times, which unpacking into them has changed."""
        self._result.implicit = [path for path in self._result.implicit if path not in self._said]
        for path, mtime in self._times:
            with contextlib.suppress(OSError):  # replaced by a later entry
                fd = syscalls.open_in_root(self._root, path, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.utime(fd, ns=(mtime, mtime))
                finally:
                    os.close(fd)

    def add(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        path = _clean(member.name)
        if not path:
            if member.isdir():
                os.fchown(self._root, member.uid, member.gid)
                os.fchmod(self._root, stat.S_IMODE(member.mode))
            return
        folder, _, name = path.rpartition("/")
        parent = self._enter(folder)
        if name.startswith(_WHITEOUT):
            self._whiteout(parent, folder, name)
            return
        was_whiteout = self._clear(parent, name, keep_folder=member.isdir())
        self._create(tar, member, parent, name)
        self._dress(member, parent, name, path)
        if was_whiteout and member.isdir():
            # The name was deleted below and made anew here.
            _set_xattr(parent, name, _OPAQUE, b"y")

    def _enter(self, folder: str) -> int:
        """Return a descriptor of a folder inside, which is made if it is missing."""
        if folder != self._parent_path:
            fd = self._open_folder(folder)
            os.close(self._parent)
            self._parent_path, self._parent = folder, fd
        return self._parent

    def _open_folder(self, folder: str) -> int:
        flags = os.O_RDONLY | os.O_DIRECTORY
        try:
            return syscalls.open_in_root(self._root, folder, flags)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise BadImage(f"a layer has an entry below {folder!r}: {error.strerror}") from error
        above, _, name = folder.rpartition("/")
        fd = self._open_folder(above) if above else os.dup(self._root)
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=fd)
                self._result.implicit.append(folder)
            return syscalls.open_in_root(self._root, folder, flags)
        except OSError as error:  # a dangling link in a folder's place
            raise BadImage(f"a layer has an entry below {folder!r}: {error.strerror}") from error
        finally:
            os.close(fd)

    def _whiteout(self, parent: int, folder: str, name: str) -> None:
        if name == _OPAQUE_MARK:
            _set_xattr(parent, ".", _OPAQUE, b"y")
            self._said.add(folder)
            return
        hidden = name.removeprefix(_WHITEOUT)
        if hidden.startswith(_WHITEOUT) or hidden in {"", ".", ".."}:
            return  # aufs' own bookkeeping
        try:
            os.mknod(hidden, stat.S_IFCHR, os.makedev(0, 0), dir_fd=parent)
        except FileExistsError:
            if stat.S_ISDIR(os.lstat(hidden, dir_fd=parent).st_mode):
                _set_xattr(parent, hidden, _OPAQUE, b"y")

    def _clear(self, parent: int, name: str, *, keep_folder: bool) -> bool:
        """Make room for an entry; return whether a whiteout was in its place."""
        try:
            found = os.lstat(name, dir_fd=parent)
        except FileNotFoundError:
            return False
        if stat.S_ISDIR(found.st_mode):
            if not keep_folder:
                shutil.rmtree(name, dir_fd=parent)
            return False
        os.unlink(name, dir_fd=parent)
        return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0

    def _create(
        self, tar: tarfile.TarFile, member: tarfile.TarInfo, parent: int, name: str
    ) -> None:
        if member.isreg():
            self._write_file(tar, member, parent, name)
        elif member.isdir():
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=parent)
        elif member.issym():
            os.symlink(member.linkname, name, dir_fd=parent)
        elif member.islnk():
            self._link(member, parent, name)
        elif member.ischr() or member.isblk():
            kind = stat.S_IFCHR if member.ischr() else stat.S_IFBLK
            device = os.makedev(member.devmajor, member.devminor)
            if device == 0 and member.ischr():
                raise BadImage(f"a layer has a raw whiteout device {name!r}")
            os.mknod(name, kind | 0o600, device, dir_fd=parent)
        elif member.isfifo():
            os.mkfifo(name, 0o600, dir_fd=parent)
        else:
            raise BadImage(f"a layer has an entry {name!r} of unknown type {member.type!r}")

    def _write_file(
        self, tar: tarfile.TarFile, member: tarfile.TarInfo, parent: int, name: str
    ) -> None:
        content = tar.extractfile(member)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, 0o600, dir_fd=parent)
        try:
            end = 0
            for chunk in _chunks(content) if content is not None else ():
                end += len(chunk)
                if chunk == _ZEROS[: len(chunk)]:
                    os.lseek(fd, len(chunk), os.SEEK_CUR)  # a hole
                else:
                    _write_all(fd, chunk)
            os.ftruncate(fd, end)
        finally:
            os.close(fd)
        self._result.size_bytes += end

    def _link(self, member: tarfile.TarInfo, parent: int, name: str) -> None:
        folder, _, target = _clean(member.linkname).rpartition("/")
        try:
            source = syscalls.open_in_root(self._root, folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.link(target, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
            finally:
                os.close(source)
        except OSError as error:
            raise BadImage(
                f"a layer's hard link {name!r} leads to {member.linkname!r}: {error.strerror}"
            ) from error

    def _dress(self, member: tarfile.TarInfo, parent: int, name: str, path: str) -> None:
        """Set owner, mode, attributes and time; the owner first, for it clears setuid."""
        if member.islnk():
            return
        os.chown(name, member.uid, member.gid, dir_fd=parent, follow_symlinks=False)
        if not member.issym():
            os.chmod(name, stat.S_IMODE(member.mode), dir_fd=parent)
        for key, value in member.pax_headers.items():
            attribute = key.removeprefix(_XATTR)
            if attribute != key and attribute.startswith(_TAKEN_XATTRS):
                _set_xattr(parent, name, attribute, value.encode("utf-8", "surrogateescape"))
        mtime = max(0, int(member.mtime * 1e9))
        if member.isdir():
            self._times.append((path, mtime))
            self._said.add(path)
        else:
            os.utime(name, ns=(mtime, mtime), dir_fd=parent, follow_symlinks=False)


def _clean(name: str) -> str:
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts or "\0" in name:
        raise BadImage(f"a layer has an entry {name[:200]!r} that leads out of it")
    return "/".join(parts)


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    while chunk := content.read(_CHUNK):
        yield chunk


def _write_all(fd: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


def _set_xattr(parent: int, name: str, attribute: str, value: bytes) -> None:
    try:
        os.setxattr(f"/proc/self/fd/{parent}/{name}", attribute, value, follow_symlinks=False)
    except OSError as error:
        raise BadImage(f"cannot set {attribute} on {name!r}: {error.strerror}") from error
