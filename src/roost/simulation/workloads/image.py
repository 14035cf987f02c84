"""What a simulated image is: a class with a name, a version, and what it does.

    class Greeter(Image):
        name, version = "greeter", "1.0"

        async def run(self, ctx, argv):
            await ctx.serve(8080, lambda request: f"hello from {ctx.pod.name}")

One instance is made for each container. Rule: a program sees its world only through the context; then
the same seed gives the same history.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from roost.simulation.workloads.commands import run_command
from roost.simulation.workloads.context import Context


class Image:
    """The base of all images. `version` "*": it is found by every tag."""

    name: ClassVar[str] = ""
    version: ClassVar[str] = "latest"
    #: What runs: the entrypoint, which a pod's `command` replaces, and the arguments, as its `args`.
    entrypoint: ClassVar[tuple[str, ...]] = ()
    command: ClassVar[tuple[str, ...]] = ()
    env: ClassVar[Mapping[str, str]] = {}
    #: What SIGTERM does to it when it does not handle the signal; None: nothing, as the kernel keeps it
    #: from the first process of a container.
    term_code: ClassVar[int | None] = 143
    #: The image's files: path -> content.
    files: ClassVar[Mapping[str, str]] = {}

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
        """Be the container's main process; what is returned is its exit code (None: 0).

        Here: run `argv` as a command, as an image without a program of its own does.
        """
        return await self.exec(ctx, argv)

    async def exec(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
        """Run a further command in the container; here: one of the built-in commands."""
        return await run_command(ctx, argv)


def normal_reference(reference: str) -> tuple[str, str]:
    """Return name and version of a reference: docker.io/library/web is web, no tag is latest."""
    name, _, digest = reference.partition("@")
    folder, slash, last = name.rpartition("/")
    last, _, version = last.partition(":")
    for prefix in ("docker.io/library", "index.docker.io/library", "docker.io", "library"):
        if folder == prefix:
            folder, slash = "", ""
        elif folder.startswith(f"{prefix}/"):
            folder = folder.removeprefix(f"{prefix}/")
    return f"{folder}{slash}{last}", digest or version or "latest"


class Catalogue:
    """The images that can be pulled."""

    def __init__(self, images: Iterable[type[Image]] = ()) -> None:
        self._images: dict[str, dict[str, type[Image]]] = {}
        for image in images:
            self.add(image)

    def add(self, image: type[Image]) -> None:
        """Let an image be pulled; one of the same name and version takes the place of the old one.

        Raises ValueError for a class without a name.
        """
        if not image.name:
            raise ValueError(f"the image class {image.__name__} has no name")
        name, _ = normal_reference(image.name)
        self._images.setdefault(name, {})[image.version] = image

    def find(self, reference: str) -> type[Image] | None:
        """Return the class of a reference; `latest` is the newest that was added, if none has it."""
        name, version = normal_reference(reference)
        versions = self._images.get(name)
        if not versions:
            return None
        found = versions.get(version) or versions.get("*")
        if found is None and version == "latest":
            found = next(reversed(versions.values()))
        return found

    def refusal(self, reference: str) -> str:
        """Return why a reference cannot be pulled, in containerd's words; "" if it can."""
        if self.find(reference) is not None:
            return ""
        name, version = normal_reference(reference)
        full = name if "." in name.partition("/")[0] else f"docker.io/{_repository(name)}"
        target = f"{full}:{version}"
        return (
            f'failed to pull and unpack image "{target}": failed to resolve reference '
            f'"{target}": {target}: not found'
        )


def _repository(name: str) -> str:
    return name if "/" in name else f"library/{name}"
