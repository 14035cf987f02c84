"""What a pod has written on its node's disk, and whether that is more than it may. Pure.

Texts and order are the kubelet's: the size of an emptyDir, the sum of the pod, then each container. A
volume in memory counts as memory; its size is kept by the kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from roost.api import quantity
from roost.api.values import Object
from roost.node import podspec, resources
from roost.node.facts import PodFacts, Verdict
from roost.node.layout import Layout
from roost.node.podspec import Role

EPHEMERAL_STORAGE = "ephemeral-storage"
EVICTED = "Evicted"


class Part(StrEnum):
    """What of a pod lies in a folder."""

    VOLUME = "volume"
    LAYER = "layer"  # what a container has written into its root
    LOGS = "logs"


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder with all below it. `name` is that of the volume or the container."""

    part: Part
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Size:
    """How much is in a folder: bytes on the disk, and files with folders."""

    bytes: int = 0
    files: int = 0


Sizes = Mapping[Tree, Size]


def size_limits(pod: Object) -> dict[str, quantity.Written]:
    """Return the limits of the emptyDirs on disk that have one, by name."""
    found: dict[str, quantity.Written] = {}
    for volume in pod["spec"].get("volumes") or ():
        body = volume.get("emptyDir") or {}
        limit = body.get("sizeLimit")
        if limit is not None and not body.get("medium") and quantity.parse(limit) > 0:
            found[volume["name"]] = limit
    return found


def is_limited(pod: Object) -> bool:
    """Tell whether the pod's containers may fill only so much of the disk."""
    return EPHEMERAL_STORAGE in resources.of_pod(pod, "limits")


def has_limits(pod: Object) -> bool:
    """Tell whether anything that the pod writes is limited."""
    return not resources.is_critical(pod) and bool(size_limits(pod) or is_limited(pod))


def limited_trees(
    pod: Object, facts: PodFacts, layout: Layout, layer_of: Callable[[str], str]
) -> tuple[Tree, ...]:
    """Return the folders whose sizes the pod's limits are about; none for most pods."""
    limits = size_limits(pod)
    trees = trees_of(pod, facts, layout, layer_of)
    if is_limited(pod):
        return trees
    return tuple(tree for tree in trees if tree.part is Part.VOLUME and tree.name in limits)


def trees_of(
    pod: Object, facts: PodFacts, layout: Layout, layer_of: Callable[[str], str]
) -> tuple[Tree, ...]:
    """Return the folders of all that the pod has on the node's disk. `layer_of` tells where what a
    container writes into its root lies, by the container's id; "" for nowhere."""
    uid = podspec.uid(pod)
    found = [
        Tree(Part.VOLUME, volume["name"], layout.volume(uid, volume["name"]))
        for volume in pod["spec"].get("volumes") or ()
        if _on_disk(volume)
    ]
    for _, container in podspec.containers(pod):
        name = container["name"]
        seen = facts.container(name).seen
        if seen is None:
            continue
        layer = layer_of(seen.id)
        if layer:
            found.append(Tree(Part.LAYER, name, layer))
        found.append(Tree(Part.LOGS, name, layout.container_logs(pod, name)))
    return tuple(found)


def _on_disk(volume: Object) -> bool:
    if "emptyDir" in volume or len(volume) == 1:
        return not (volume.get("emptyDir") or {}).get("medium")
    return "configMap" in volume


def total(sizes: Iterable[Size]) -> Size:
    """Return the sum."""
    every = list(sizes)
    return Size(sum(one.bytes for one in every), sum(one.files for one in every))


def used_by(sizes: Sizes, container: str) -> int:
    """Return the bytes of a container: what it wrote into its root, and its logs."""
    return sum(
        size.bytes
        for tree, size in sizes.items()
        if tree.part is not Part.VOLUME and tree.name == container
    )


def excess(pod: Object, sizes: Sizes) -> Verdict | None:
    """Return why the pod must go because of what it has written; None if it may stay."""
    return _volume_excess(pod, sizes) or _pod_excess(pod, sizes) or _container_excess(pod, sizes)


def _volume_excess(pod: Object, sizes: Sizes) -> Verdict | None:
    used = {tree.name: size.bytes for tree, size in sizes.items() if tree.part is Part.VOLUME}
    for name, limit in size_limits(pod).items():
        if used.get(name, 0) > quantity.parse(limit):
            size = quantity.canonical(limit)
            return Verdict(
                EVICTED, f'Usage of EmptyDir volume "{name}" exceeds the limit "{size}". '
            )
    return None


def _pod_excess(pod: Object, sizes: Sizes) -> Verdict | None:
    limit = resources.of_pod(pod, "limits").get(EPHEMERAL_STORAGE)
    if limit is None or total(sizes.values()).bytes <= limit:
        return None
    forms = [quantity.form_of(written) for written in _limits(pod).values()]
    size = quantity.render(limit, forms[0] if forms else "BinarySI")
    return Verdict(
        EVICTED,
        f"Pod ephemeral local storage usage exceeds the total limit of containers {size}. ",
    )


def _container_excess(pod: Object, sizes: Sizes) -> Verdict | None:
    for name, limit in _limits(pod, mains_only=True).items():
        if used_by(sizes, name) > quantity.parse(limit) > 0:
            size = quantity.canonical(limit)
            return Verdict(
                EVICTED, f'Container {name} exceeded its local ephemeral storage limit "{size}". '
            )
    return None


def _limits(pod: Object, *, mains_only: bool = False) -> dict[str, quantity.Written]:
    found: dict[str, quantity.Written] = {}
    for role, container in podspec.containers(pod):
        limits = (container.get("resources") or {}).get("limits") or {}
        if EPHEMERAL_STORAGE in limits and (role is Role.MAIN or not mains_only):
            found[container["name"]] = limits[EPHEMERAL_STORAGE]
    return found
