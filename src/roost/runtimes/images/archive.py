"""Images in files: docker-archives and OCI layouts, as folders, tars or compressed tars. In a thread.

A tar is first spread into flat temporary files, whose names are ours: no name in it is ever a path.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from roost.api.values import Object
from roost.runtimes import syscalls
from roost.runtimes.images import config as documents
from roost.runtimes.images.config import BadImage, Platform
from roost.runtimes.images.reference import InvalidName, Reference, parse
from roost.runtimes.images.unpack import decompressed

_MAX_DOCUMENT = 8 << 20
_CHUNK = 1 << 20
_NAME_ANNOTATIONS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")


@dataclass(frozen=True, slots=True)
class ArchivedImage:
    """One image of an archive: `layers` are the names of its layers, lowest first."""

    config: bytes
    diff_ids: tuple[str, ...]
    layers: tuple[str, ...]
    references: tuple[Reference, ...]
    manifest_digest: str = ""


class Archive(Protocol):
    """The files of an archive by their names in it."""

    def open(self, name: str) -> IO[bytes]:
        """Open a file. Raises BadImage if there is none."""
        ...


class FolderArchive:
    """An archive that is a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, name: str) -> IO[bytes]:
        root = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return os.fdopen(syscalls.open_in_root(root, name, os.O_RDONLY), "rb")
        except OSError as error:
            raise BadImage(f"the archive has no {name!r}") from error
        finally:
            os.close(root)


class TarArchive:
    """An archive that is a tar, spread into `work`."""

    def __init__(self, path: Path, work: Path) -> None:
        self._files: dict[str, Path] = {}
        self._links: dict[str, str] = {}
        try:
            with (
                path.open("rb") as file,
                tarfile.open(fileobj=decompressed(file), mode="r|", bufsize=_CHUNK) as tar,  # type: ignore[call-overload]
            ):
                while (member := tar.next()) is not None:
                    self._take(tar, member, work)
                    tar.members.clear()
        except (tarfile.TarError, zlib.error, EOFError) as error:
            raise BadImage(f"{path.name} is neither a tar nor a compressed tar: {error}") from error

    def _take(self, tar: tarfile.TarFile, member: tarfile.TarInfo, work: Path) -> None:
        name = posixpath.normpath("/" + member.name)
        if member.isreg():
            target = work / str(len(self._files))
            content = tar.extractfile(member)
            with target.open("wb") as out:
                while content is not None and (chunk := content.read(_CHUNK)):
                    out.write(chunk)
            self._files[name] = target
        elif member.issym():
            self._links[name] = posixpath.normpath(
                posixpath.join(posixpath.dirname(name), member.linkname)
            )
        elif member.islnk():
            self._links[name] = posixpath.normpath("/" + member.linkname)

    def open(self, name: str) -> IO[bytes]:
        where = posixpath.normpath("/" + name)
        for _ in range(8):  # old archives link equal layers to each other
            if where in self._files:
                return self._files[where].open("rb")
            if where not in self._links:
                break
            where = self._links[where]
        raise BadImage(f"the archive has no {name!r}")


def read_archive(archive: Archive, platform: Platform) -> Iterator[ArchivedImage]:
    """Yield the images of an archive that this platform can run. Raises BadImage."""
    try:
        manifests = _read(archive, "manifest.json")
    except BadImage:
        manifests = b""
    if manifests:
        yield from _docker_images(archive, manifests, platform)
    else:
        yield from _layout_images(archive, platform)


def _read(archive: Archive, name: str, digest: str = "") -> bytes:
    with archive.open(name) as file:
        content = file.read(_MAX_DOCUMENT)
    if digest and hashlib.sha256(content).hexdigest() != digest.removeprefix("sha256:"):
        raise BadImage(f"{name!r} does not have the digest {digest}")
    return content


def _docker_images(
    archive: Archive, manifests: bytes, platform: Platform
) -> Iterator[ArchivedImage]:
    entries = documents.decode(b'{"images":' + manifests + b"}", "manifest.json")["images"]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadImage("manifest.json is not a list of images")
    for entry in entries:
        config = _read(archive, str(entry.get("Config", "")))
        about = documents.read_config(documents.decode(config, "the config"), platform)
        names = [str(tag) for tag in entry.get("RepoTags") or ()]
        layers = tuple(str(layer) for layer in entry.get("Layers") or ())
        yield _image(config, about.diff_ids, layers, names)


def _layout_images(archive: Archive, platform: Platform) -> Iterator[ArchivedImage]:
    index = documents.decode(_read(archive, "index.json"), "index.json")
    found = False
    for entry in index.get("manifests") or ():
        if not isinstance(entry, dict):
            raise BadImage("index.json lists something that is not a manifest")
        image = _layout_image(archive, entry, platform)
        if image is not None:
            found = True
            yield image
    if not found:
        # All for other machines: say so in the words of a pull.
        documents.choose_manifest(index, platform)


def _blob_name(digest: str) -> str:
    return f"blobs/sha256/{documents.checked_digest(digest).removeprefix('sha256:')}"


def _layout_image(archive: Archive, entry: Object, platform: Platform) -> ArchivedImage | None:
    about = entry.get("platform") or {}
    if about and (about.get("os"), about.get("architecture")) != (
        platform.os,
        platform.architecture,
    ):
        return None
    digest = documents.checked_digest(entry.get("digest"))
    media_type = str(entry.get("mediaType", ""))
    document = documents.decode(_read(archive, _blob_name(digest), digest), "a manifest")
    if documents.is_index(document, media_type):
        chosen = documents.choose_manifest(document, platform)
        content = _read(archive, _blob_name(chosen.digest), chosen.digest)
        document = documents.decode(content, "a manifest")
    manifest = documents.read_manifest(document)
    config = _read(archive, _blob_name(manifest.config.digest), manifest.config.digest)
    inherited = documents.read_config(documents.decode(config, "the config"), platform)
    annotations: Mapping[str, str] = entry.get("annotations") or {}
    names = [str(annotations[key]) for key in _NAME_ANNOTATIONS if annotations.get(key)]
    layers = tuple(_blob_name(layer.digest) for layer in manifest.layers)
    return _image(config, inherited.diff_ids, layers, names[:1], digest)


def _image(
    config: bytes,
    diff_ids: tuple[str, ...],
    layers: tuple[str, ...],
    names: list[str],
    manifest_digest: str = "",
) -> ArchivedImage:
    if len(diff_ids) != len(layers):
        raise BadImage(f"the config has {len(diff_ids)} layers, the manifest {len(layers)}")
    references = []
    for name in names:
        with contextlib.suppress(InvalidName):
            references.append(parse(name))
    return ArchivedImage(config, diff_ids, layers, tuple(references), manifest_digest)
