"""`roost image`: the images of this machine's node, read and written where its agent keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from roost.cli import output
from roost.cli.places import Places
from roost.runtimes.images.machine import this_machine
from roost.runtimes.images.registry import Registry
from roost.runtimes.images.service import ImageService
from roost.runtimes.images.store import ImageStore
from roost.runtimes.port import RuntimeFault

ResultT = TypeVar("ResultT")


def _with_images(places: Places, work: Callable[[ImageService], Awaitable[ResultT]]) -> ResultT:
    async def run() -> ResultT:
        service = ImageService(ImageStore(places.runtime / "images", this_machine()), Registry())
        await service.open()
        try:
            return await work(service)
        finally:
            await service.close()

    try:
        return asyncio.run(run())
    except RuntimeFault as fault:
        output.fail(fault.message)
    except OSError as error:
        output.fail(f"{error.filename or places.runtime}: {error.strerror}")


def load(places: Places, file: Path) -> None:
    """Take the images of a file in, and print what they are called."""
    images = _with_images(places, lambda service: service.load_image(str(file)))
    for image in images:
        for name in image.tags or (image.id,):
            output.say(f"loaded {name}")


def show(places: Places, form: str) -> None:
    """Print all images."""
    images = _with_images(places, lambda service: service.list_images())
    facts = [
        {
            "id": image.id,
            "tags": list(image.tags),
            "digests": list(image.digests),
            "size_bytes": image.size_bytes,
        }
        for image in images
    ]
    if form in ("json", "yaml"):
        output.say(output.as_format(facts, form))
        return
    rows = [
        (tag, image.id.removeprefix("sha256:")[:12], f"{image.size_bytes / 1e6:.1f} MB")
        for image in images
        for tag in image.tags or ("<none>",)
    ]
    for line in output.table_lines(("Image", "Id", "Size"), sorted(rows)):
        output.say(line)
