"""Request bodies: bytes to decoded objects of the kind that the path names."""

from __future__ import annotations

from typing import Final

from roost.api.errors import BadRequest
from roost.api.kind import Kind
from roost.api.schema.body import Expected, decode_body, expected
from roost.api.schema.decode import decode_object
from roost.api.values import Object
from roost.apiserver.core import Core, WriteContext, is_custom
from roost.apiserver.messages import Request
from roost.apiserver.negotiation import body_type

#: What scale subresources read and write, whatever they belong to.
SCALE: Final = ("autoscaling", "v1", "Scale")


class Bodies:
    """Reads the bodies of writes."""

    def __init__(self, core: Core) -> None:
        self.node = core.node

    def expected(self, kind: Kind) -> Expected:
        return Expected(kind.group, kind.version, kind.name, self.node(kind))

    def object(self, kind: Kind, request: Request, context: WriteContext) -> Object:
        """Return the private, decoded object in a body; raises BadRequest."""
        return self._decoded(self.expected(kind), request, context, is_custom(kind))

    def foreign(
        self, group: str, version: str, name: str, request: Request, context: WriteContext
    ) -> Object:
        """Return the object of another kind in the body of a subresource; raises BadRequest."""
        return self._decoded(expected(group, version, name), request, context, custom=False)

    def _decoded(
        self, wanted: Expected, request: Request, context: WriteContext, custom: bool
    ) -> Object:
        media = body_type(request.headers.get("content-type", ""), custom)
        value, warnings = decode_body(request.body, media, wanted, context.options.field_validation)
        context.warnings += warnings
        value.setdefault("metadata", {})
        return value

    def decoded(self, kind: Kind, value: Object, context: WriteContext) -> Object:
        """Return a private, decoded copy of an object in memory; raises BadRequest."""
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
