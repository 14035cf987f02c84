"""All functions and type names that expressions may use."""

from __future__ import annotations

from roost.api.cel.functions import (
    authorization,
    collections,
    conversions,
    dates,
    formats,
    formatting,
    measures,
    network,
    operators,
    strings,
)
from roost.api.cel.functions.declare import merged
from roost.api.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    LIST,
    MAP,
    NULL,
    STRING,
    TIMESTAMP,
    UINT,
    Type,
    opaque,
    optional_of,
    type_of,
)

_MODULES = (
    operators,
    conversions,
    strings,
    formatting,
    collections,
    dates,
    network,
    measures,
    formats,
    authorization,
)
LIBRARY = merged(one.declarations.library for one in _MODULES)
#: The types of the variables `authorizer` and `authorizer.requestResource` of policies.
AUTHORIZER = opaque("kubernetes.authorization.Authorizer")
RESOURCE_CHECK = opaque("kubernetes.authorization.ResourceCheck")

TYPE_NAMES: dict[str, Type] = {
    "bool": BOOL,
    "bytes": BYTES,
    "double": DOUBLE,
    "int": INT,
    "list": LIST,
    "map": MAP,
    "null_type": NULL,
    "string": STRING,
    "uint": UINT,
    "type": type_of(DYN),
    "optional_type": optional_of(DYN),
    "google.protobuf.Timestamp": TIMESTAMP,
    "google.protobuf.Duration": DURATION,
    **{
        name: opaque(name)
        for name in (
            "kubernetes.URL",
            "kubernetes.Quantity",
            "kubernetes.Semver",
            "kubernetes.NamedFormat",
            "net.IP",
            "net.CIDR",
            "kubernetes.authorization.Authorizer",
        )
    },
}
