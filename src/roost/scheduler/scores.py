"""Scores: how good is a node for a pod, from 0 to 100 each, with Kubernetes' weights.

`base_score` depends on one node only, so it can be remembered for a shape; the others are normalised
over the nodes in question.
"""

from __future__ import annotations

from collections.abc import Sequence

from roost.api.values import Object
from roost.decisions.affinity import term_matches
from roost.decisions.requests import CPU, MEMORY
from roost.decisions.tolerations import PREFER_NO_SCHEDULE, tolerated
from roost.scheduler.profile import BALANCED, FIT, IMAGES, Profile
from roost.scheduler.shape import Shape
from roost.scheduler.snapshot import NodeInfo, Snapshot

_IMAGE_LEAST = 23 * 1024 * 1024
_IMAGE_MOST = 1000 * 1024 * 1024


def allocated(shape: Shape, node: NodeInfo, *, packs: bool = False) -> int:
    """Return how much of cpu and memory would be left (`packs`: used), in percent."""
    total = count = 0
    for allocatable, requested in (
        (node.allocatable.get(CPU, 0), node.scored_cpu + shape.scored_cpu),
        (node.allocatable.get(MEMORY, 0), node.scored_memory + shape.scored_memory),
    ):
        if allocatable:
            count += 1
            if packs:
                total += min(requested, allocatable) * 100 // allocatable
            elif requested <= allocatable:
                total += (allocatable - requested) * 100 // allocatable
    return total // count if count else 0


def balanced_allocation(shape: Shape, node: NodeInfo) -> int:
    """Return how close the used shares of cpu and memory would be."""
    if shape.asks_nothing:
        return 0
    shares = [
        min((node.requested.get(name, 0) + shape.requests.get(name, 0)) / allocatable, 1.0)
        for name in (CPU, MEMORY)
        if (allocatable := node.allocatable.get(name, 0))
    ]
    deviation = abs(shares[0] - shares[1]) / 2 if len(shares) == 2 else 0.0
    return int((1 - deviation) * 100)


def image_locality(shape: Shape, node: NodeInfo, snapshot: Snapshot) -> int:
    """Return how much of the images is there, less for images that few nodes have."""
    if not node.images or not shape.images:
        return 0
    nodes = len(snapshot.present()) or 1
    total = 0
    for image in shape.images:
        name = image if ":" in image.rpartition("/")[2] else f"{image}:latest"
        size = node.images.get(name)
        if size:
            total += int(size * snapshot.image_nodes.get(name, 0) / nodes)
    most = _IMAGE_MOST * len(shape.images)
    total = min(max(total, _IMAGE_LEAST), most)
    return 100 * (total - _IMAGE_LEAST) // (most - _IMAGE_LEAST)


def base_score(shape: Shape, node: NodeInfo, snapshot: Snapshot, profile: Profile) -> int:
    """Return what the node's own state says."""
    weights = profile.weights
    return (
        weights[FIT] * allocated(shape, node, packs=profile.packs)
        + weights[BALANCED] * balanced_allocation(shape, node)
        + weights[IMAGES] * image_locality(shape, node, snapshot)
    )


def _untolerated(shape: Shape, node: NodeInfo) -> int:
    return sum(
        taint.get("effect") == PREFER_NO_SCHEDULE and not tolerated(shape.tolerations, taint)
        for taint in node.taints
    )


def taint_scores(shape: Shape, nodes: Sequence[NodeInfo]) -> list[int] | None:
    """Prefer nodes with fewer PreferNoSchedule taints; None if none has any."""
    counts = [_untolerated(shape, node) if node.taints else 0 for node in nodes]
    most = max(counts)
    return [100 - 100 * count // most for count in counts] if most else None


def node_affinity_scores(
    shape: Shape, nodes: Sequence[NodeInfo], added: Sequence[Object] = ()
) -> list[int] | None:
    """Prefer nodes that preferred terms match, the pod's and those `added`, by their weights."""
    preferred = (*shape.preferred_nodes, *added)
    if not preferred:
        return None
    sums = [
        sum(
            item["weight"]
            for item in preferred
            if term_matches(item["preference"], node.labels, node.name)
        )
        for node in nodes
    ]
    most = max(sums)
    return [100 * total // most for total in sums] if most > 0 else None
