"""All functions and type names that expressions may use."""

from __future__ import annotations

from .functions import collections, dates, operators, strings
from .functions.declare import merged
from .types import (  # fmt: skip
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

LIBRARY = merged(one.declarations.library for one in (operators, strings, collections, dates))

TYPE_NAMES: dict[str, Type] = {
    "bool": BOOL, "bytes": BYTES, "double": DOUBLE, "int": INT, "list": LIST, "map": MAP, "null_type": NULL,
    "string": STRING, "uint": UINT, "type": type_of(DYN), "optional_type": optional_of(DYN),
    "google.protobuf.Timestamp": TIMESTAMP, "google.protobuf.Duration": DURATION,
    **{
        name: opaque(name)
        for name in (
            "kubernetes.URL", "kubernetes.Quantity", "kubernetes.Semver", "kubernetes.NamedFormat", "net.IP",
            "net.CIDR", "kubernetes.authorization.Authorizer",
        )
    },
}  # fmt: skip
