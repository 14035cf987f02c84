"""The built-in kinds, one module per API group. Adding a kind touches one file here."""

from __future__ import annotations

from roost.api.groups import (
    admissionregistration,
    apiextensions,
    apiregistration,
    apps,
    authentication,
    authorization,
    autoscaling,
    batch,
    certificates,
    coordination,
    core,
    discovery,
    events,
    flowcontrol,
    networking,
    node,
    policy,
    rbac,
    resource,
    scheduling,
    storage,
)
from roost.api.kind import Kind

#: In the order in which the real server's aggregation layer ranks the groups.
_MODULES = (
    core,
    apiregistration,
    apps,
    events,
    authentication,
    authorization,
    autoscaling,
    batch,
    certificates,
    networking,
    policy,
    rbac,
    storage,
    admissionregistration,
    apiextensions,
    scheduling,
    coordination,
    node,
    discovery,
    resource,
    flowcontrol,
)

ALL_KINDS: tuple[Kind, ...] = tuple(kind for module in _MODULES for kind in module.KINDS)
#: The built-in groups as discovery lists them; groups of custom resources follow by name.
GROUP_ORDER: tuple[str, ...] = tuple(dict.fromkeys(kind.group for kind in ALL_KINDS))
