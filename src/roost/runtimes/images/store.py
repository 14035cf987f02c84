"""Images on disk, content-addressed: every layer is unpacked once and shared by all that use it.

    blobs/<hex>          configs, as they came
    layers/<hex>/diff    an unpacked layer, named by its diff id; layer.json says its size
    patches/<hex>        what an image's layers leave unsaid about their folders, if anything
    refs.json            the images: the only file that is ever changed, atomically
    partial/             work that is not finished; emptied at every start

A thing is complete when it has its final name. What no image names is garbage.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from roost.runtimes import syscalls
from roost.runtimes.images import config as documents
from roost.runtimes.images.config import BadImage, ImageConfig, Platform
from roost.runtimes.images.patches import write_patch
from roost.runtimes.images.reference import InvalidName, Reference, parse
from roost.runtimes.images.unpack import unpack
from roost.runtimes.keyed_lock import KeyedLock

_T = TypeVar("_T")
_THREADS = 3


class StoredImage(msgspec.Struct, frozen=True):
    """An image as refs.json has it; `layers` are diff ids, lowest first."""

    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    size_bytes: int
    layers: tuple[str, ...]
    patched: bool = False


class LayerFacts(msgspec.Struct, frozen=True):
    """What layer.json says."""

    size_bytes: int
    implicit: tuple[str, ...] = ()


def hex_of(digest: str) -> str:
    """Return a digest as a file name."""
    return documents.checked_digest(digest).removeprefix("sha256:")


class ImageStore:
    """The images below one folder. One process at a time may own it.

    `open` it before use and `close` it after. All disk work happens in a small pool of threads.
    """

    def __init__(self, root: Path, platform: Platform) -> None:
        self.platform = platform
        self._root = root
        self._images: dict[str, StoredImage] = {}
        self._configs: dict[str, ImageConfig] = {}
        self._pinned: Counter[str] = Counter()
        self._changing = threading.Lock()
        self.layer_locks = KeyedLock()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="roost-images")

    async def open(self) -> None:
        """Read what there is, and remove what an earlier process left unfinished."""
        await self.in_thread(self._open)

    def _open(self) -> None:
        for name in ("blobs", "layers", "patches", "partial"):
            (self._root / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.rmtree(self._root / "partial")
        (self._root / "partial").mkdir(mode=0o700)
        layers = [f"sha256:{path.name}" for path in (self._root / "layers").iterdir()]
        try:
            content = (self._root / "refs.json").read_bytes()
            images = msgspec.json.decode(content, type=list[StoredImage])
        except (OSError, msgspec.DecodeError):
            # What names the layers is lost; containers may run on them. Keep all.
            images = []
            self._pinned.update(layers)
        whole = [image for image in images if self._is_whole(image)]
        for image in images:
            if image not in whole:
                self._pinned.update(image.layers)
        self._images = {image.id: image for image in whole}
        self._sweep()

    def _is_whole(self, image: StoredImage) -> bool:
        return self._blob(image.id).exists() and all(map(self.has_layer, image.layers))

    def close(self) -> None:
        """Let the threads end. What they do now they finish."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def in_thread(self, job: Callable[[], _T]) -> _T:
        """Run disk work in the store's threads. Who is cancelled meanwhile waits for its end first,

        so that nothing goes on behind a lock that has been given back.
        """
        work = asyncio.get_running_loop().run_in_executor(self._pool, job)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):
                await work
            raise

    # ------------------------------------------------------------------ read

    def images(self) -> list[StoredImage]:
        """Return all images, in the order of their ids."""
        return sorted(self._images.values(), key=lambda image: image.id)

    def find(self, name: str) -> StoredImage | None:
        """Return an image by id, "sha256:" id, id prefix of 12 or more digits, tag or digest."""
        bare = name.removeprefix("sha256:")
        if len(bare) >= 12 and all(char in "0123456789abcdef" for char in bare):
            found = [image for image in self._images.values() if hex_of(image.id).startswith(bare)]
            if len(found) == 1:
                return found[0]
        try:
            reference = parse(name)
        except InvalidName:
            return None
        if reference.digest:
            wanted = reference.pinned(reference.digest)
            return next((i for i in self._images.values() if wanted in i.digests), None)
        wanted = reference.tagged()
        return next((i for i in self._images.values() if wanted in i.tags), None)

    def config(self, image_id: str) -> ImageConfig:
        """Return what containers inherit from an image that is here. Raises BadImage, OSError."""
        if image_id not in self._configs:
            document = documents.decode(self._blob(image_id).read_bytes(), "the image's config")
            self._configs[image_id] = documents.read_config(document, self.platform)
        return self._configs[image_id]

    def lower_folders(self, image_id: str) -> list[Path]:
        """Return the folders of an image for an overlay, topmost first. Raises KeyError."""
        image = self._images[image_id]
        folders = [self._layer(diff_id) / "diff" for diff_id in reversed(image.layers)]
        patch = [self._root / "patches" / hex_of(image_id)] if image.patched else []
        return [*patch, *folders]

    def has_layer(self, diff_id: str) -> bool:
        """Return whether a layer is unpacked."""
        return (self._layer(diff_id) / "layer.json").exists()

    def _blob(self, digest: str) -> Path:
        return self._root / "blobs" / hex_of(digest)

    def _layer(self, diff_id: str) -> Path:
        return self._root / "layers" / hex_of(diff_id)

    def _facts(self, diff_id: str) -> LayerFacts:
        content = (self._layer(diff_id) / "layer.json").read_bytes()
        return msgspec.json.decode(content, type=LayerFacts)

    # ------------------------------------------------------------------ write

    @contextlib.contextmanager
    def pinned(self, diff_ids: Sequence[str]) -> Iterator[None]:
        """Keep layers that no image names yet from being swept."""
        self._pinned.update(diff_ids)
        try:
            yield
        finally:
            self._pinned.subtract(diff_ids)
            self._pinned += Counter()

    def partial_path(self, name: str) -> Path:
        """Return where an unfinished download of this name is kept."""
        return self._root / "partial" / name

    def install_layer(self, blob: IO[bytes], diff_id: str) -> None:
        """Unpack a blob as a layer. Runs in a thread.

        Raises BadImage if it is not the layer `diff_id`.
        """
        work = Path(tempfile.mkdtemp(dir=self._root / "partial"))
        try:
            folder = work / "diff"
            folder.mkdir()
            folder.chmod(0o755)
            found = unpack(blob, str(folder))
            if found.diff_id != diff_id:
                raise BadImage(f"layer is {found.diff_id}, the config says {diff_id}")
            facts = LayerFacts(found.size_bytes, tuple(found.implicit))
            (work / "layer.json").write_bytes(msgspec.json.encode(facts))
            if not self.has_layer(diff_id):
                work.rename(self._layer(diff_id))
        finally:
            shutil.rmtree(work, ignore_errors=True)

    async def add(
        self,
        config: bytes,
        diff_ids: Sequence[str],
        *,
        reference: Reference | None = None,
        manifest_digest: str = "",
    ) -> StoredImage:
        """Name an image whose layers are all here, durably; a tag leaves the image that had it."""
        return await self.in_thread(
            lambda: self._add(config, tuple(diff_ids), reference, manifest_digest)
        )

    def _add(
        self,
        config: bytes,
        diff_ids: tuple[str, ...],
        reference: Reference | None,
        manifest_digest: str,
    ) -> StoredImage:
        image_id = f"sha256:{hashlib.sha256(config).hexdigest()}"
        facts = [self._facts(diff_id) for diff_id in diff_ids]
        known = self._images.get(image_id)
        patched = known.patched if known else False
        if known is None:
            self._blob(image_id).write_bytes(config)
            folders = [self._layer(diff_id) / "diff" for diff_id in diff_ids]
            patch = self._root / "patches" / hex_of(image_id)
            patched = write_patch(patch, folders, [fact.implicit for fact in facts])
        tags = set(known.tags if known else ())
        digests = set(known.digests if known else ())
        if reference is not None:
            tags.update(filter(None, [reference.tagged()]))
            if manifest_digest:
                digests.add(reference.pinned(manifest_digest))
            if reference.digest:
                digests.add(reference.pinned(reference.digest))
        size = len(config) + sum(fact.size_bytes for fact in facts)
        image = StoredImage(
            image_id, tuple(sorted(tags)), tuple(sorted(digests)), size, diff_ids, patched
        )
        with self._changing:
            self._save(image_id, image)
        return image

    def _save(self, image_id: str, image: StoredImage | None) -> None:
        images = dict(self._images)
        taken = set(image.tags) if image else set()
        for other in list(images.values()):
            if other.id != image_id and taken & set(other.tags):
                kept = tuple(tag for tag in other.tags if tag not in taken)
                images[other.id] = msgspec.structs.replace(other, tags=kept)
        if image is None:
            images.pop(image_id, None)
        else:
            images[image_id] = image
        if images == self._images:
            return
        content = msgspec.json.encode(list(images.values()))
        temporary = self._root / "refs.json.new"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, content)
            # The layers too: after a power cut, a name must not promise what is not there.
            syscalls.syncfs(fd)
        finally:
            os.close(fd)
        temporary.replace(self._root / "refs.json")
        self._images = images

    async def remove(self, image_id: str) -> None:
        """Forget an image, and remove the layers that no other image has."""

        def job() -> None:
            with self._changing:
                self._save(image_id, None)
                self._configs.pop(image_id, None)
                self._sweep()

        await self.in_thread(job)

    def _sweep(self) -> None:
        """Remove layers, blobs and patches that nothing names."""
        images = self._images.values()
        ids = {hex_of(image.id) for image in images}
        layers = {hex_of(diff_id) for image in images for diff_id in image.layers}
        layers |= {hex_of(diff_id) for diff_id in list(self._pinned)}
        for folder, wanted in (("blobs", ids), ("patches", ids), ("layers", layers)):
            for path in self._unwanted(self._root / folder, wanted):
                if path.is_dir():
                    gone = Path(tempfile.mkdtemp(dir=self._root / "partial")) / "gone"
                    path.rename(gone)  # at once incomplete, then removed at leisure
                    shutil.rmtree(gone.parent, ignore_errors=True)
                else:
                    path.unlink()

    @staticmethod
    def _unwanted(folder: Path, wanted: Iterable[str]) -> list[Path]:
        names = set(wanted)
        return [path for path in folder.iterdir() if path.name not in names]
