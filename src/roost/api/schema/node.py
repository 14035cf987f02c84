"""The shape of a schema: a graph of nodes that merge, prune, default and validate walk.

A `Node` is what an OpenAPI v3 schema says with the `x-kubernetes-*` extensions resolved. Nodes of
built-in kinds are linked lazily and shared; those of a CustomResourceDefinition come from its schema.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class Node:
    """One node. `type` is object, array, string, integer, number, boolean, or "" for any value."""

    type: str = ""
    format: str = ""
    fields: dict[str, Node] = field(default_factory=dict)  # properties of an object
    values: Node | None = None  # additionalProperties: a map from text to this
    items: Node | None = None  # elements of an array
    list_type: str = "atomic"  # atomic, set or map (x-kubernetes-list-type)
    list_keys: tuple[str, ...] = ()  # x-kubernetes-list-map-keys
    atomic: bool = False  # x-kubernetes-map-type: atomic (objects and maps)
    merge_key: str = ""  # x-kubernetes-patch-merge-key
    merge_strategies: tuple[
        str, ...
    ] = ()  # x-kubernetes-patch-strategy: merge, replace, retainKeys
    int_or_string: bool = False
    quantity: bool = False
    time: bool = False  # meta/v1 Time or MicroTime (format date-time)
    open: bool = (
        False  # unknown fields are kept (x-kubernetes-preserve-unknown-fields, RawExtension)
    )
    embedded: bool = False  # x-kubernetes-embedded-resource
    nullable: bool = False
    required: tuple[str, ...] = ()
    default: Any = None
    name: str = ""  # definition name, e.g. io.k8s.api.core.v1.PodSpec
    #: Everything else of the schema (enum, pattern, minimum, x-kubernetes-validations, ...).
    rules: dict[str, Any] = field(default_factory=dict)
    #: What `roost.api.schema.decode` compiled from this node; None until it is first decoded with.
    decoder: Any = field(default=None, repr=False)
    #: What `roost.api.patches.structs` says is always there; None until it is first asked.
    zeros: dict[str, Any] | None = field(default=None, repr=False)
    #: Set while the node is not linked yet; `resolve` fills the fields above.
    link: Callable[[], None] | None = None

    def resolve(self) -> Node:
        """Return the node itself, linked."""
        if self.link is not None:
            link, self.link = self.link, None
            link()
        return self
