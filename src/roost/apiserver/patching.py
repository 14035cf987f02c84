"""PATCH in its four forms, as functions from the current object to the wanted one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from roost.api.crd.decoding import check_type as check_custom
from roost.api.errors import BadRequest, Cause, StatusError, conflict, invalid
from roost.api.jsontext import escaped
from roost.api.kind import Kind
from roost.api.patches.apply import apply_configuration
from roost.api.patches.json_patch import apply_json_patch
from roost.api.patches.managed import reset_fields
from roost.api.patches.merge_patch import apply_merge_patch
from roost.api.patches.strategic import apply_strategic_patch
from roost.api.schema.body import Expected, definition_of, expected, head_problem
from roost.api.schema.decode import decode, strict_message
from roost.api.schema.node import Node
from roost.api.schema.scalars import Mismatch
from roost.api.values import Object, Value, copy_of
from roost.apiserver import failures
from roost.apiserver.bodies import Bodies
from roost.apiserver.core import Core, WriteContext, is_custom
from roost.apiserver.creating import settle_namespace
from roost.apiserver.messages import Request
from roost.apiserver.patchreading import (
    APPLY_PATCH,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    read_configuration,
    read_patch,
)
from roost.apiserver.scaleapplying import applied_scale
from roost.apiserver.scaling import scale_build
from roost.apiserver.updating import Build, Target, Written, update

_BUILTIN: Final = frozenset({JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH})
_CUSTOM: Final = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)
_NO_SUCH_UID: Final = (
    "uid mismatch: the provided object specified uid {}, and no existing object was found"
)
#: What a write of a status changes.
_WRITTEN: Final = frozenset({"kind", "apiVersion", "metadata", "status"})
#: The order in which Go writes an object's metadata.
_META_ORDER: Final = (
    "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation",
    "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations",
    "ownerReferences", "finalizers", "managedFields",
)  # fmt: skip


def patch_type(request: Request, custom: bool) -> str:
    """Return the media type of a patch; raises UnsupportedMediaType."""
    media = request.headers.get("content-type", "").partition(";")[0].strip()
    if custom:
        if media not in _CUSTOM:
            raise failures.unknown_format(_CUSTOM)
    elif media not in _BUILTIN:
        raise failures.unsupported_patch()
    return media


def touches_metadata(media: str, patch: Any) -> bool:
    """Say whether a patch looks into the metadata, which leaves them sorted."""
    if media == JSON_PATCH:
        paths = (op.get(key) for op in patch for key in ("path", "from"))
        return any(isinstance(path, str) and path.startswith("/metadata/") for path in paths)
    return isinstance(patch, dict) and isinstance(patch.get("metadata"), dict)


def shown_json(value: Object, *, sort_metadata: bool = False) -> str:
    """Return an object as Go would write a patched one: sorted, but for metadata nobody looked into."""
    ordered: Object = {key: value[key] for key in sorted(value)}
    metadata = value.get("metadata")
    if isinstance(metadata, dict) and sort_metadata:
        ordered["metadata"] = {key: metadata[key] for key in sorted(metadata)}
    elif isinstance(metadata, dict):
        known = {key: metadata[key] for key in _META_ORDER if key in metadata}
        ordered["metadata"] = {**known, **metadata}
    return escaped(json.dumps(ordered, separators=(",", ":"), ensure_ascii=False))


def bad_patch(shown: str, why: str) -> StatusError:
    """Return ` "" is invalid: patch: Invalid value: ...`: the patched object cannot be decoded."""
    text = f"Invalid value: {json.dumps(shown, ensure_ascii=False)}: {why}"
    return invalid("", "", "", [Cause("FieldValueInvalid", text, "patch")])


def bad_custom_patch(patched: Object, why: str) -> StatusError:
    """Do the same for a custom resource, of which Go keeps no order."""
    shown = json.dumps(patched, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return bad_patch(escaped(shown), why)


def go_map(value: Value) -> str:
    """Return a JSON value as Go prints a map."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_map(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(go_map, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "<nil>" if value is None else str(value)


class Patches:
    """Makes the builds of PUT and PATCH."""

    def __init__(self, core: Core, bodies: Bodies) -> None:
        self._core = core
        self._bodies = bodies

    @staticmethod
    def replacement(value: Object) -> Build:
        """Return the build of a PUT: always the same object, a private copy for each attempt."""
        return lambda _old: copy_of(value)

    async def apply(self, target: Target, request: Request, context: WriteContext) -> Written:
        """Patch an object; raises StatusError."""
        media = patch_type(request, is_custom(target.kind))
        if media == APPLY_PATCH:
            target.tracked = True
            target.creates = not target.subresource
            build = self._configuration(target, request.body, context)
        else:
            target.creates = False
            build = self._patch(target, media, request.body, context)
        return await update(self._core, target, build, context)

    def _patch(self, target: Target, media: str, body: bytes, context: WriteContext) -> Build:
        lenient = context.options.field_validation == "Ignore"
        patch, complaints = read_patch(media, body, lenient=lenient)
        kind, node = target.kind, self._bodies.node(target.kind)

        def build(old: Object | None) -> Object:
            assert old is not None
            patched = patched_object(media, old, patch, node, lenient=lenient)
            if is_custom(kind):
                refused = partial(bad_custom_patch, patched)
                check_complaints(complaints, context, refused)
                new = self._bodies.custom(kind, patched, context, refused)
                check_custom(kind, new)
            else:
                check_type(media, patch, patched, kind)
                kept = untouched(old, patched, target.subresource)
                new = decode_patched(media, patch, patched, node, context, kept, complaints)
            self._bodies.check_name(new, target.name)
            return new

        return build

    def scale_build(self, target: Target, request: Request, context: WriteContext) -> Build:
        """Return the build of the object behind a patched Scale."""
        media = patch_type(request, custom=False)
        if media == APPLY_PATCH:
            target.tracked = True
            return self._scale_configuration(target, request.body, context)
        wanted = expected("autoscaling", "v1", "Scale")
        lenient = context.options.field_validation == "Ignore"
        patch, first = read_patch(media, request.body, lenient=lenient)

        def build(old: Object) -> Object:
            patched = patched_object(media, old, patch, wanted.node, lenient=lenient)
            check_type(media, patch, patched, wanted)
            new = decode_patched(media, patch, patched, wanted.node, context, first=first)
            settle_namespace(target.kind, new["metadata"], target.namespace)
            self._bodies.check_name(new, target.name)
            check_scaled(target, old, new)
            return new

        return scale_build(target.kind, build)

    def _scale_configuration(self, target: Target, body: bytes, context: WriteContext) -> Build:
        config, repeated = read_configuration(body)

        def build(old: Object | None) -> Object:
            assert old is not None
            scale, changed = applied_scale(
                target.kind, old, config, context.options, self._core.now()
            )
            check_repeated(repeated, context)
            self._bodies.check_name(scale, target.name)
            return changed

        return build

    def _configuration(self, target: Target, body: bytes, context: WriteContext) -> Build:
        config, repeated = read_configuration(body)
        kind, node = target.kind, self._bodies.node(target.kind)
        options = context.options

        def build(old: Object | None) -> Object:
            sent = config.get("metadata")
            uid = sent.get("uid") if old is None and isinstance(sent, dict) else None
            if uid:
                raise conflict(kind.group, kind.plural, target.name, _NO_SUCH_UID.format(uid))
            applied = apply_configuration(
                node, old, config, manager=options.field_manager, force=bool(options.force),
                api_version=kind.api_version, now=self._core.now(),
                kind=kind.name, subresource=target.subresource,
                reset_fields=reset_fields(
                    kind.group, kind.plural, target.subresource,
                    has_status="status" in kind.subresources,
                ),
            )  # fmt: skip
            check_repeated(repeated, context)
            new = self._bodies.decoded(kind, applied, WriteContext(context.user))
            self._bodies.check_name(new, target.name)
            return new

        return build


def check_scaled(target: Target, old: Object, new: Object) -> None:
    """Refuse to scale another object than the one that was meant; raises Conflict's StatusError."""
    wanted, uid = new["metadata"].get("uid"), old["metadata"]["uid"]
    if wanted and wanted != uid:
        why = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}"
        raise conflict(target.kind.group, f"{target.kind.plural}/scale", target.name, why)


def patched_object(
    media: str, old: Object, patch: Any, node: Node, *, lenient: bool = False
) -> Object:
    if media == JSON_PATCH:
        patched = apply_json_patch(old, patch, lenient=lenient)
        if not isinstance(patched, dict):
            shown = json.dumps(patched, separators=(",", ":"), ensure_ascii=False)
            why = f"couldn't get version/kind; json parse error: {head_problem(patched)}"
            raise bad_patch(escaped(shown), why)
        return patched
    if media == MERGE_PATCH:
        return apply_merge_patch(old, patch)
    return apply_strategic_patch(old, patch, node)


def check_type(media: str, patch: Value, patched: Object, wanted: Expected | Kind) -> None:
    """A patch may not make another kind of the object; raises Invalid.

    The object is read as what it says it is, so that is what is complained of first. Of a strategic
    patch nobody reads that, and an object that says no kind is of the one that is wanted.
    """
    name = wanted.kind if isinstance(wanted, Expected) else wanted.name
    _restore_type(media, patched, name, wanted.api_version)
    version, kind = patched.get("apiVersion"), patched.get("kind")
    if version == wanted.api_version and kind == name:
        return
    shown = _shown(media, patch, patched)
    known = isinstance(version, str) and isinstance(kind, str)
    group, _, number = str(version).rpartition("/")
    if not known or definition_of(group, number, str(kind)) is None:
        raise bad_patch(
            shown,
            f'no kind "{kind or ""}" is registered for version "{version or ""}" '
            'in scheme "pkg/api/legacyscheme/scheme.go:30"',
        )
    try:
        decode(expected(group, number, str(kind)).node, patched)
    except Mismatch as error:
        raise bad_patch(shown, str(error)) from None
    internal = wanted.group.partition(".")[0] or "core"
    raise bad_patch(
        shown, f"converting ({number}.{kind}) to ({internal}.{name}): unknown conversion"
    )


def _restore_type(media: str, patched: Object, kind: str, api_version: str) -> None:
    """Put back what a patch took from the type of an object and nobody misses."""
    if media == STRATEGIC_PATCH:
        for key, value in (("kind", kind), ("apiVersion", api_version)):
            if isinstance(patched.get(key), str | None):
                patched[key] = value
    elif not patched.get("kind") and patched.get("apiVersion"):
        patched["kind"] = kind


def untouched(old: Object, patched: Object, subresource: str) -> tuple[Object, Object]:
    """Return what a patch did not touch and need not be decoded again: of the object, of metadata.

    Those parts stay those of the stored object. So they are only such as nobody changes in place:
    managedFields, and beside a status all that a write of a status gives back anyway.
    """
    metadata = patched.get("metadata")
    fields: Object = {}
    if isinstance(metadata, dict):
        stored = old["metadata"].get("managedFields")
        if stored is not None and metadata.get("managedFields") is stored:
            fields = {"managedFields": stored}
    if subresource != "status":
        return {}, fields
    parts = {key: item for key, item in patched.items() if item is old.get(key)}
    return {key: item for key, item in parts.items() if key not in _WRITTEN}, fields


def decode_patched(
    media: str,
    patch: Value,
    patched: Object,
    node: Node,
    context: WriteContext,
    kept: tuple[Object, Object] = ({}, {}),
    first: Sequence[str] = (),
) -> Object:
    """Return the patched object decoded; raises Invalid with the patched object in its text.

    What is `kept` (see `untouched`) is taken as it is. `first` is what the patch itself is complained
    of for.
    """
    parts, fields = kept
    undecoded = {key: item for key, item in patched.items() if key not in parts}
    if fields:
        undecoded["metadata"] = {
            key: item for key, item in patched["metadata"].items() if key not in fields
        }
    try:
        decoded, complaints = decode(node, undecoded)
    except Mismatch as error:
        if media == STRATEGIC_PATCH:
            raise bad_patch(go_map(patch), error.conversion) from None
        raise bad_patch(_shown(media, patch, patched), str(error)) from None
    check_strict(media, patch, patched, [*first, *complaints], context)
    decoded.setdefault("metadata", {}).update(fields)
    decoded.update(parts)
    return decoded


def check_strict(
    media: str, patch: Value, patched: Object, complaints: list[str], context: WriteContext
) -> None:
    """Refuse a patch for what is complained of, or warn of it, as asked; raises Invalid."""
    check_complaints(complaints, context, lambda why: bad_patch(_shown(media, patch, patched), why))


def check_complaints(
    complaints: list[str], context: WriteContext, refused: Callable[[str], StatusError]
) -> None:
    """Refuse a patched object for what is complained of, or warn of it, as asked."""
    validation = context.options.field_validation
    if complaints and validation == "Strict":
        raise refused(strict_message(complaints))
    if validation == "Warn":
        context.warnings += complaints


def _shown(media: str, patch: Any, patched: Object) -> str:
    if media == STRATEGIC_PATCH:
        return go_map(patch)
    return shown_json(patched, sort_metadata=touches_metadata(media, patch))


def check_repeated(repeated: list[str], context: WriteContext) -> None:
    """Refuse an applied document with repeated keys, or warn of it; raises BadRequest."""
    validation = context.options.field_validation
    if repeated and validation == "Strict":
        raise BadRequest(
            f"error strict decoding YAML: error converting YAML to JSON: {repeated[0]}"
        )
    if validation == "Warn":
        context.warnings += repeated
