"""What an image's own documents say: manifests, indexes and the config. Pure.

Documents come from strangers: what is not as it must be raises BadImage with one line that says what.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from roost.api.values import Object

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
ACCEPT = f"{OCI_INDEX}, {OCI_MANIFEST}, {DOCKER_LIST}, {DOCKER_MANIFEST}"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MAX_LAYERS = 500


class BadImage(Exception):
    """An image that is not what it says, or that cannot be used here."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A document or layer by content."""

    digest: str
    size_bytes: int
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One platform's image: its config and its layers, lowest first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True)
class Platform:
    """What a machine runs: as "linux", "arm64", "v8"."""

    os: str
    architecture: str
    variant: str = ""


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What a container inherits from its image."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    working_dir: str = ""
    user: str = ""
    stop_signal: str = ""
    volumes: tuple[str, ...] = ()
    exposed_ports: tuple[str, ...] = ()
    diff_ids: tuple[str, ...] = ()


def checked_digest(value: object) -> str:
    """Return a sha256 digest. Raises BadImage."""
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        return value
    raise BadImage(f"unsupported digest {str(value)[:80]!r}")


def decode(content: bytes, what: str) -> Object:
    """Return the JSON object in `content`. Raises BadImage."""
    try:
        document = msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise BadImage(f"{what} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadImage(f"{what} is not a JSON object")
    return document


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(item) for item in _list(value))


def _descriptor(value: Any) -> Descriptor:
    fields = _object(value)
    size = fields.get("size")
    if not isinstance(size, int) or size < 0:
        raise BadImage("a descriptor has no size")
    return Descriptor(checked_digest(fields.get("digest")), size, str(fields.get("mediaType", "")))


def is_index(document: Object, media_type: str) -> bool:
    """Return whether a document lists manifests per platform."""
    kind = document.get("mediaType") or media_type
    return kind in INDEXES or (kind not in MANIFESTS and "manifests" in document)


def read_manifest(document: Object) -> Manifest:
    """Return a manifest. Raises BadImage."""
    if document.get("schemaVersion") != 2 or "config" not in document:
        raise BadImage("unsupported manifest: only schema 2 and OCI image manifests are understood")
    layers = _list(document.get("layers"))
    if len(layers) > _MAX_LAYERS:
        raise BadImage(f"{len(layers)} layers are more than {_MAX_LAYERS}")
    return Manifest(_descriptor(document["config"]), tuple(_descriptor(layer) for layer in layers))


def choose_manifest(index: Object, platform: Platform) -> Descriptor:
    """Return the best manifest of an index for a platform. Raises BadImage if there is none."""
    best: tuple[int, Any] | None = None
    offered = []
    for entry in _list(index.get("manifests")):
        about = _object(_object(entry).get("platform"))
        name = "/".join(
            str(about[key]) for key in ("os", "architecture", "variant") if about.get(key)
        )
        offered.append(name or "unknown")
        if about and (about.get("os"), about.get("architecture")) != (
            platform.os,
            platform.architecture,
        ):
            continue
        rank = _variant_rank(str(about.get("variant", "")), platform) if about else 0
        if rank is not None and (best is None or rank > best[0]):
            best = (rank, entry)
    if best is None:
        raise BadImage(
            f"no match for platform in manifest: {platform.os}/{platform.architecture} "
            f"is not among {', '.join(offered) or 'none'}"
        )
    return _descriptor(best[1])


def _variant_rank(variant: str, platform: Platform) -> int | None:
    """Return how well a variant suits, more is better, None if not at all."""
    mine = platform.variant.removeprefix("v")
    theirs = variant.removeprefix("v")
    if theirs == mine:
        return 100
    if not theirs:
        return 50
    if mine.isdigit() and theirs.isdigit():  # an ARM v7 runs v6, not the reverse
        return int(theirs) if int(theirs) <= int(mine) else None
    return 1 if not mine and platform.architecture == "arm64" and theirs == "8" else None


def read_config(document: Object, platform: Platform) -> ImageConfig:
    """Return a container's inheritance. Raises BadImage, also for another kind of machine."""
    found = (str(document.get("os", "")), str(document.get("architecture", "")))
    if any(found) and found != (platform.os, platform.architecture):
        raise BadImage(
            f"image is for {'/'.join(found)}, this node is {platform.os}/{platform.architecture}"
        )
    config = _object(document.get("config"))
    rootfs = _object(document.get("rootfs"))
    pairs = (text.partition("=") for text in _texts(config.get("Env")))
    return ImageConfig(
        entrypoint=_texts(config.get("Entrypoint")),
        command=_texts(config.get("Cmd")),
        env=tuple((name, value) for name, _, value in pairs if name),
        working_dir=str(config.get("WorkingDir") or ""),
        user=str(config.get("User") or ""),
        stop_signal=str(config.get("StopSignal") or ""),
        volumes=tuple(sorted(_object(config.get("Volumes")))),
        exposed_ports=tuple(sorted(_object(config.get("ExposedPorts")))),
        diff_ids=tuple(checked_digest(item) for item in _list(rootfs.get("diff_ids"))),
    )
