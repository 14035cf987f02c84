"""The core group, v1, the one without a name; one module per family of kinds."""

from __future__ import annotations

from roost.api.groups.core import cluster, config, services, volumes, workloads

KINDS = (
    *cluster.KINDS,
    *config.KINDS,
    *services.KINDS,
    *volumes.KINDS,
    *workloads.KINDS,
)
