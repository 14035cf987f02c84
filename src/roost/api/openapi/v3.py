"""OpenAPI v3: a document for each group version, with an index that names them."""

from __future__ import annotations

from collections.abc import Iterable

from roost.api.openapi import parameters as p
from roost.api.openapi import schemas
from roost.api.openapi.operations import META, Operation, Path, base_path, id_part, paths, tag
from roost.api.openapi.parameters import Parameter
from roost.api.openapi.schemas import REFERENCE_V3, Custom
from roost.api.registry import Registry
from roost.api.schema import document
from roost.api.values import Object

_MEDIA = ("application/json", "application/yaml")
_STREAM = (*_MEDIA, "application/json;stream=watch")
_PATCHES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)


def group_version(
    registry: Registry, custom: Custom, group: str, version: str, release: str
) -> Object:
    """Return the document of a group version; `release` is e.g. v1.36.2."""
    base = base_path(group, version)
    operation = _discovery(f"get{id_part(group, version)}APIResources", "get available resources",
                           tag(group, version), f"{META}APIResourceList")  # fmt: skip
    items: dict[str, Object] = {f"{base}/": {"get": operation}}
    used = {f"{META}APIResourceList"}
    for kind in registry.kinds():
        if (kind.group, kind.version) != (group, version):
            continue
        used.add(kind.schema)
        for path in paths(kind):
            items[path.path] = _path(path, tag(group, version))
            for one in path.operations:
                used.update(name for name in (one.body, one.answer) if name)
    return _document(items, used, custom, release)


def group(name: str, release: str) -> Object:
    """Return the document of a group, which says no more than that it can be discovered."""
    if not name:
        path, answer = "/api/", f"{META}APIVersions"
        operation = _discovery("getCoreAPIVersions", "get available API versions", "core", answer)
    else:
        path, answer = f"/apis/{name}/", f"{META}APIGroup"
        what, id_ = "get information of a group", f"get{id_part(name)}APIGroup"
        operation = _discovery(id_, what, tag(name, "").rstrip("_"), answer)
    return _document({path: {"get": operation}}, {answer}, {}, release)


def groups(release: str) -> Object:
    """Return the document of /apis."""
    answer = f"{META}APIGroupList"
    operation = _discovery("getAPIVersions", "get available API versions", "apis", answer)
    return _document({"/apis/": {"get": operation}}, {answer}, {}, release)


def version(release: str) -> Object:
    """Return the document of /version."""
    answer = "io.k8s.apimachinery.pkg.version.Info"
    what = "get the version information for this server"
    operation = _discovery("getCodeVersion", what, "version", answer)
    return _document({"/version/": {"get": operation}}, {answer}, {}, release)


def _document(
    items: dict[str, Object], used: Iterable[str], custom: Custom, release: str
) -> Object:
    texts = document.descriptions()
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": release},
        "paths": dict(sorted(items.items())),
        "components": {
            "schemas": {
                name: schema
                if name in custom
                else schemas.to_v3(name, schemas.described(schema, texts.get(name, {})))
                for name, schema in sorted(schemas.closure(used, custom))
            },
            "securitySchemes": {
                "BearerToken": {
                    "type": "apiKey",
                    "description": "Bearer Token authentication",
                    "name": "authorization",
                    "in": "header",
                }
            },
        },
    }


def _discovery(id_: str, what: str, tag_name: str, answer: str) -> Object:
    return {
        "tags": [tag_name],
        "description": what,
        "operationId": id_,
        "responses": _responses((200,), answer, _MEDIA),
    }


def _path(path: Path, tag_name: str) -> Object:
    shared = set.intersection(*(set(operation.query) for operation in path.operations))
    item: Object = {}
    for operation in path.operations:
        item[operation.method] = _operation(operation, tag_name, shared)
    names = sorted({*shared, "pretty"} if path.pretty else shared)
    item["parameters"] = [_parameter(one) for one in path.parameters]
    item["parameters"] += [_parameter(p.QUERY[name]) for name in names]
    return item


def _operation(operation: Operation, tag_name: str, shared: set[str]) -> Object:
    made: Object = {
        "tags": [tag_name],
        "description": operation.description,
        "operationId": operation.id,
    }
    names = sorted(name for name in operation.query if name not in shared)
    if names:
        made["parameters"] = [_parameter(p.QUERY[name]) for name in names]
    if operation.body:
        media = _PATCHES if operation.patch else ("*/*",)
        made["requestBody"] = {"content": _content(operation.body, media)}
        if operation.body_required:
            made["requestBody"]["required"] = True
    streams = _STREAM if operation.stream else _MEDIA
    made["responses"] = _responses(operation.codes, operation.answer, streams)
    made["x-kubernetes-action"] = operation.action
    made["x-kubernetes-group-version-kind"] = {
        "group": operation.group,
        "version": operation.version,
        "kind": operation.kind,
    }
    return made


def _responses(codes: tuple[int, ...], answer: str, media: tuple[str, ...]) -> Object:
    words = {200: "OK", 201: "Created", 202: "Accepted"}
    content = _content(answer, media if answer else ("*/*",))
    made: Object = {str(code): {"description": words[code], "content": content} for code in codes}
    made["401"] = {"description": "Unauthorized"}
    return made


def _content(name: str, media: tuple[str, ...]) -> Object:
    schema = {"$ref": REFERENCE_V3 + name} if name else {"type": "string"}
    return {one: {"schema": schema} for one in media}


def _parameter(parameter: Parameter) -> Object:
    made: Object = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "schema": {"type": parameter.type, "uniqueItems": True},
    }
    if parameter.place == "path":
        made["required"] = True
    return made
