"""Request bodies: bytes to decoded objects of the kind that the path names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from roost.api.crd.decoding import check_type, decode_custom
from roost.api.errors import BadRequest, StatusError
from roost.api.kind import Kind, Resource
from roost.api.schema.body import Expected, check_head, decode_body, expected, other_version, parsed
from roost.api.schema.decode import decode_object, strict_message, unhandled
from roost.api.schema.node import Node
from roost.api.values import Object, Value, copy_of
from roost.apiserver.core import Core, WriteContext, is_custom
from roost.apiserver.messages import Request
from roost.apiserver.negotiation import body_type

#: What scale subresources read and write, whatever they belong to.
SCALE: Final = ("autoscaling", "v1", "Scale")


class Bodies:
    """Reads the bodies of writes."""

    def __init__(self, core: Core) -> None:
        self.node = core.node
        self._custom_nodes = core.custom

    def expected(self, kind: Kind) -> Expected:
        return Expected(kind.group, kind.version, kind.name, self.node(kind))

    def object(self, kind: Kind, request: Request, context: WriteContext) -> Object:
        """Return the private, decoded object in a body; raises BadRequest."""
        if is_custom(kind):
            return self._custom(kind, request, context)
        return self._decoded(self.expected(kind), request, context)

    def foreign(
        self, group: str, version: str, name: str, request: Request, context: WriteContext
    ) -> Object:
        """Return the object of another kind in the body of a subresource; raises BadRequest."""
        return self._decoded(expected(group, version, name), request, context)

    def _custom(self, kind: Kind, request: Request, context: WriteContext) -> Object:
        wanted, validation = self.expected(kind), context.options.field_validation
        media = body_type(request.headers.get("content-type", ""), custom=True)
        value, repeated = parsed(request.body, wanted, validation, is_yaml=media.endswith("yaml"))
        if repeated and validation == "Strict":
            raise unhandled(wanted.node, value, strict_message(repeated))
        context.warnings += repeated
        value = {} if value is None else value
        check_head(request.body, value, wanted)
        made = self.custom(kind, value, context)
        if made["apiVersion"] != wanted.api_version:
            raise other_version(made["apiVersion"], wanted)
        check_type(kind, made)
        return made

    def custom(
        self,
        kind: Kind,
        value: Value,
        context: WriteContext,
        refused: Callable[[str], StatusError] | None = None,
    ) -> Object:
        """Return the private object of a custom resource; it may still say to be of another kind."""
        made, warnings = decode_custom(
            kind, self._said(kind, value), value, context.options.field_validation, refused
        )
        context.warnings += warnings
        return made

    def _said(self, kind: Kind, value: Value) -> Node:
        """Return the schema of the version that an object says to be of, if it is served."""
        said = value.get("apiVersion") if isinstance(value, dict) else None
        if isinstance(said, str) and said != kind.api_version:
            group, _, version = said.rpartition("/")
            found = self._custom_nodes.get(Resource(group, version, kind.plural))
            if found is not None:
                return found
        return self.node(kind)

    def _decoded(self, wanted: Expected, request: Request, context: WriteContext) -> Object:
        media = body_type(request.headers.get("content-type", ""), custom=False)
        value, warnings = decode_body(request.body, media, wanted, context.options.field_validation)
        context.warnings += warnings
        value.setdefault("metadata", {})
        return value

    def decoded(self, kind: Kind, value: Object, context: WriteContext) -> Object:
        """Return a private, decoded copy of an object in memory; raises BadRequest."""
        if is_custom(kind):
            return self.custom(kind, copy_of(value), context)
        decoded, warnings = decode_object(self.node(kind), value, context.options.field_validation)
        context.warnings += warnings
        decoded["kind"], decoded["apiVersion"] = kind.name, kind.api_version
        decoded.setdefault("metadata", {})
        return decoded

    @staticmethod
    def check_name(value: Object, name: str) -> None:
        """Check the name in a body against the path's; raises BadRequest."""
        given = value["metadata"].get("name")
        if not given:
            raise BadRequest(
                f"the name of the object ({name} based on URL) was undeterminable: "
                "name must be provided"
            )
        if given != name:
            raise BadRequest(
                f"the name of the object ({given}) does not match the name on the URL ({name})"
            )
