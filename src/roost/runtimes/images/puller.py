"""Pulling: from a name to an image in the store, each blob once, however many ask.

Documents and layers are checked against the digests that name them before anything of them is used, and
the unpacked layers against the config's diff ids. A blob that breaks off is continued where it stopped.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from roost.runtimes.images import config as documents
from roost.runtimes.images.config import BadImage, Descriptor, Manifest
from roost.runtimes.images.reference import Reference
from roost.runtimes.images.registry import Registry, RegistryError, RepositoryClient, fault_of
from roost.runtimes.images.store import ImageStore, StoredImage, hex_of
from roost.runtimes.port import Credentials, RuntimeFault

_T = TypeVar("_T")
_BLOB_ATTEMPTS = 5
_FIRST_PAUSE_S = 0.2  # then three times as long each time
_PARALLEL_LAYERS = 3
_PIECE = 1 << 20


@dataclass(slots=True)
class _Flight:
    """A pull under way that others may wait for."""

    done: asyncio.Event = field(default_factory=asyncio.Event)
    image: StoredImage | None = None
    fault: RuntimeFault | None = None


class Puller:
    """Pulls images into a store."""

    def __init__(self, store: ImageStore, registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self._flights: dict[tuple[str, tuple[tuple[str, Credentials], ...]], _Flight] = {}

    async def pull(
        self, reference: Reference, credentials: Mapping[str, Credentials]
    ) -> StoredImage:
        """Return the image, pulled or shared with a pull under way. Raises RuntimeFault."""
        # Only those with the same credentials share: a pull must not lend its rights.
        key = (str(reference), tuple(sorted(credentials.items(), key=lambda item: item[0])))
        while (flight := self._flights.get(key)) is not None:
            await flight.done.wait()
            if flight.fault is not None:
                raise RuntimeFault(flight.fault.reason, flight.fault.message)
            if flight.image is not None:
                return flight.image
            # It was cancelled: the first of those who waited takes over.
        flight = self._flights[key] = _Flight()
        try:
            flight.image = await self._pull(reference, credentials)
        except RuntimeFault as fault:
            flight.fault = fault
            raise
        finally:
            del self._flights[key]
            flight.done.set()
        return flight.image

    async def _pull(
        self, reference: Reference, credentials: Mapping[str, Credentials]
    ) -> StoredImage:
        client = self._registry.login(reference, credentials)
        opening = f'failed to pull and unpack image "{reference}": '
        try:
            manifest, digest = await self._resolve(client, reference)
            config = await self._config(client, manifest.config)
            about = documents.read_config(
                documents.decode(config, "the image's config"), self._store.platform
            )
            _match(manifest, about.diff_ids)
            with self._store.pinned(about.diff_ids):
                await self._layers(client, manifest.layers, about.diff_ids)
                return await self._store.add(
                    config, about.diff_ids, reference=reference, manifest_digest=digest
                )
        except RegistryError as error:
            raise fault_of(reference, error) from error
        except (BadImage, OSError) as error:
            raise RuntimeFault("ErrImagePull", f"{opening}{error}") from error

    async def _resolve(
        self, client: RepositoryClient, reference: Reference
    ) -> tuple[Manifest, str]:
        """Return the manifest for this platform, and the digest of what the name stands for."""
        content, media_type = await _retrying(lambda: client.manifest(reference.version))
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if reference.digest and digest != reference.digest:
            raise BadImage(f"the registry's manifest is {digest}, not {reference.digest}")
        document = documents.decode(content, "the manifest")
        if documents.is_index(document, media_type):
            chosen = documents.choose_manifest(document, self._store.platform)
            content, _ = await _retrying(lambda: client.manifest(chosen.digest))
            _verify(content, chosen)
            document = documents.decode(content, "the manifest")
        return documents.read_manifest(document), digest

    async def _config(self, client: RepositoryClient, config: Descriptor) -> bytes:
        path = await self._fetch(client, config)
        try:
            return await self._store.in_thread(path.read_bytes)
        finally:
            path.unlink(missing_ok=True)

    async def _layers(
        self, client: RepositoryClient, layers: tuple[Descriptor, ...], diff_ids: tuple[str, ...]
    ) -> None:
        slots = asyncio.Semaphore(_PARALLEL_LAYERS)
        wanted = dict(zip(diff_ids, layers, strict=True))
        try:
            async with asyncio.TaskGroup() as group:
                for diff_id, layer in wanted.items():
                    if not self._store.has_layer(diff_id):
                        group.create_task(self._layer(client, layer, diff_id, slots))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed

    async def _layer(
        self, client: RepositoryClient, layer: Descriptor, diff_id: str, slots: asyncio.Semaphore
    ) -> None:
        # The lock first: who waits for another's layer must not take a slot for it.
        async with self._store.layer_locks.hold(diff_id), slots:
            if self._store.has_layer(diff_id):
                return
            blob = await self._fetch(client, layer)

            def job() -> None:
                try:
                    with blob.open("rb") as file:
                        self._store.install_layer(file, diff_id)
                finally:
                    blob.unlink(missing_ok=True)

            await self._store.in_thread(job)

    async def _fetch(self, client: RepositoryClient, wanted: Descriptor) -> Path:
        """Download a blob to a file of its own, verified. Raises RegistryError, BadImage."""
        path = self._store.partial_path(f"{hex_of(wanted.digest)}.{id(wanted):x}")
        download = _Download(path, wanted, self._store)
        try:
            await _retrying(lambda: download.go_on(client), _BLOB_ATTEMPTS)
        except BaseException:
            download.close()
            path.unlink(missing_ok=True)
            raise
        download.close()
        return path


class _Download:
    """A blob on its way to disk; written and hashed in the store's threads, piece by piece."""

    def __init__(self, path: Path, wanted: Descriptor, store: ImageStore) -> None:
        self._wanted = wanted
        self._store = store
        self._have = 0
        self._hash = hashlib.sha256()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    async def go_on(self, client: RepositoryClient) -> None:
        """Fetch what is missing. Raises RegistryError (retry) if it breaks off, BadImage at the end."""
        async with client.blob(self._wanted.digest, self._have) as (start, stream):
            if start != self._have:
                self._restart()
            piece = bytearray()
            try:
                async for chunk in stream.iter_any():
                    piece += chunk
                    if self._have + len(piece) > self._wanted.size_bytes:
                        raise BadImage(f"blob {self._wanted.digest} is larger than announced")
                    if len(piece) >= _PIECE:
                        await self._keep(bytes(piece))
                        piece.clear()
            finally:  # what came before a break is kept too
                await self._keep(bytes(piece))
        if self._have < self._wanted.size_bytes:
            raise RegistryError(f"blob {self._wanted.digest} broke off", retry=True)
        found = f"sha256:{self._hash.hexdigest()}"
        if found != self._wanted.digest:
            raise BadImage(f"blob {self._wanted.digest} has the digest {found}")

    def _restart(self) -> None:
        os.ftruncate(self._file, 0)
        self._have, self._hash = 0, hashlib.sha256()

    async def _keep(self, piece: bytes) -> None:
        at, file, digest = self._have, self._file, self._hash

        def job() -> None:
            view = memoryview(piece)
            done = 0
            while done < len(view):
                done += os.pwrite(file, view[done:], at + done)
            digest.update(piece)

        await self._store.in_thread(job)
        self._have += len(piece)


async def _retrying(attempt: Callable[[], Awaitable[_T]], attempts: int = 3) -> _T:
    """Try again, later each time, what may go better then. Raises the last RegistryError."""
    pause_s = _FIRST_PAUSE_S
    for _ in range(attempts - 1):
        try:
            return await attempt()
        except RegistryError as error:
            if not error.retry:
                raise
        await asyncio.sleep(pause_s)
        pause_s *= 3
    return await attempt()


def _match(manifest: Manifest, diff_ids: tuple[str, ...]) -> None:
    if len(diff_ids) != len(manifest.layers):
        raise BadImage("config and manifest differ in the number of layers")


def _verify(content: bytes, wanted: Descriptor) -> None:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if digest != wanted.digest or len(content) != wanted.size_bytes:
        raise BadImage(f"the registry's manifest is {digest}, not {wanted.digest}")
