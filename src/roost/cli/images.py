"""`roost image`: the images of this machine's node.

A running agent owns its store and is asked; without one the store is opened here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from roost.adapters.real.control import ControlError, ask_agent, facts_of
from roost.api.values import Object
from roost.cli import output
from roost.cli.places import Places
from roost.runtimes.images.machine import this_machine
from roost.runtimes.images.registry import Registry
from roost.runtimes.images.service import ImageService
from roost.runtimes.images.store import ImageStore
from roost.runtimes.port import Image, RuntimeFault


def _facts(
    places: Places,
    method: str,
    body: Object | None,
    work: Callable[[ImageService], Awaitable[list[Image]]],
) -> list[Object]:
    async def run() -> list[Object]:
        answer = await ask_agent(places.control_socket, method, body)
        if answer is not None:
            return answer
        service = ImageService(ImageStore(places.runtime / "images", this_machine()), Registry())
        await service.open()
        try:
            return facts_of(await work(service))
        finally:
            await service.close()

    try:
        return asyncio.run(run())
    except RuntimeFault as fault:
        output.fail(fault.message)
    except ControlError as error:
        output.fail(str(error))
    except PermissionError:
        output.fail(f"{places.root} belongs to root: run this with sudo")
    except OSError as error:
        output.fail(f"{error.filename or places.runtime}: {error.strerror}")


def load(places: Places, file: Path) -> None:
    """Take the images of a file in, and print what they are called."""
    path = str(file.absolute())
    if not file.exists():
        output.fail(f"{file} does not exist")
    facts = _facts(places, "POST", {"path": path}, lambda service: service.load_image(path))
    for image in facts:
        for name in image["tags"] or (image["id"],):
            output.say(f"loaded {name}")


def show(places: Places, form: str) -> None:
    """Print all images."""
    if not places.root.exists():
        output.fail(f"there is no node in {places.root}; name its place with --data-dir")
    facts = _facts(places, "GET", None, lambda service: service.list_images())
    if form in ("json", "yaml"):
        output.say(output.as_format(facts, form))
        return
    rows = [
        (tag, image["id"].removeprefix("sha256:")[:12], f"{image['size_bytes'] / 1e6:.1f} MB")
        for image in facts
        for tag in image["tags"] or ("<none>",)
    ]
    for line in output.table_lines(("Image", "Id", "Size"), sorted(rows)):
        output.say(line)
