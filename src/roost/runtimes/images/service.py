"""The Images port: find, pull, load, list and remove images of one store.

Whatever goes wrong with an image becomes a RuntimeFault with the reason that a container's status shows
and the message that people know.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from roost.runtimes.images.archive import ArchivedImage, FolderArchive, TarArchive, read_archive
from roost.runtimes.images.config import BadImage, ImageConfig
from roost.runtimes.images.puller import Puller
from roost.runtimes.images.reference import InvalidName, parse
from roost.runtimes.images.registry import Registry
from roost.runtimes.images.store import ImageStore, StoredImage, hex_of
from roost.runtimes.port import Credentials, Image, RuntimeFault


class ImageService:
    """Images of one node.

    `in_use` returns the ids of the images that containers have; those are not removed.
    """

    def __init__(
        self,
        store: ImageStore,
        registry: Registry,
        in_use: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.store = store
        self.in_use = in_use
        self._registry = registry
        self._puller = Puller(store, registry)

    async def open(self) -> None:
        """Read the store."""
        await self.store.open()

    async def close(self) -> None:
        """Let go of threads and connections."""
        await self._registry.close()
        self.store.close()

    async def find_image(self, reference: str) -> Image | None:
        """Return an image by tag, digest, id or the start of an id."""
        found = self.store.find(reference)
        return self._image(found) if found else None

    async def list_images(self) -> list[Image]:
        """Return all images."""
        return [self._image(image) for image in self.store.images()]

    async def pull_image(self, reference: str, credentials: Mapping[str, Credentials]) -> Image:
        """Fetch an image; see roost.runtimes.port.Images."""
        try:
            wanted = parse(reference)
        except InvalidName as error:
            raise RuntimeFault(
                "InvalidImageName", f'Failed to apply default image tag "{reference}": {error}'
            ) from error
        return self._image(await self._puller.pull(wanted, credentials))

    async def remove_image(self, image_id: str) -> None:
        """Remove an image by any name; nothing if there is none.

        Raises RuntimeFault (ImageInUse) if a container has it.
        """
        found = self.store.find(image_id)
        if found is None:
            return
        if found.id in set(self.in_use()):
            raise RuntimeFault(
                "ImageInUse", f"unable to remove image {found.id}: it is being used by a container"
            )
        await self.store.remove(found.id)

    async def load_image(self, path: str) -> list[Image]:
        """Take in every image of an archive that this machine can run. Raises RuntimeFault."""
        source = Path(path)
        try:
            with tempfile.TemporaryDirectory(dir=self.store.partial_path("")) as work:
                images = await self._load(source, Path(work))
        except BadImage as error:
            raise RuntimeFault("ErrImagePull", f"{source.name}: {error}") from error
        except OSError as error:
            raise RuntimeFault("ErrImagePull", f"{source.name}: {error.strerror}") from error
        return [self._image(image) for image in images]

    async def _load(self, source: Path, work: Path) -> list[StoredImage]:
        def spread() -> tuple[FolderArchive | TarArchive, list[ArchivedImage]]:
            archive = FolderArchive(source) if source.is_dir() else TarArchive(source, work)
            return archive, list(read_archive(archive, self.store.platform))

        archive, found = await self.store.in_thread(spread)
        loaded: dict[str, StoredImage] = {}
        for image in found:
            with self.store.pinned(image.diff_ids):
                for diff_id, layer in zip(image.diff_ids, image.layers, strict=True):
                    await self._take_layer(archive, diff_id, layer)
                for reference in image.references or (None,):
                    stored = await self.store.add(
                        image.config,
                        image.diff_ids,
                        reference=reference,
                        manifest_digest=image.manifest_digest,
                    )
                    loaded[stored.id] = stored
        return list(loaded.values())

    async def _take_layer(
        self, archive: FolderArchive | TarArchive, diff_id: str, layer: str
    ) -> None:
        def job() -> None:
            with archive.open(layer) as file:
                self.store.install_layer(file, diff_id)

        async with self.store.layer_locks.hold(diff_id):
            if not self.store.has_layer(diff_id):
                await self.store.in_thread(job)

    def _image(self, image: StoredImage) -> Image:
        return Image(
            image.id, image.tags, image.digests, image.size_bytes, self.config(image.id).user
        )

    def config(self, image_id: str) -> ImageConfig:
        """Return what containers inherit from an image. Raises RuntimeFault (ImageInspectError)."""
        try:
            return self.store.config(image_id)
        except (BadImage, OSError) as error:
            raise RuntimeFault(
                "ImageInspectError", f"image {hex_of(image_id)[:12]}: {error}"
            ) from error
