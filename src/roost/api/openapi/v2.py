"""OpenAPI v2 (swagger): one document for the whole API, as older clients read it."""

from __future__ import annotations

from collections.abc import Iterable

from roost.api.openapi import parameters as p
from roost.api.openapi import schemas
from roost.api.openapi.operations import Operation, Path, paths, tag
from roost.api.openapi.parameters import Parameter
from roost.api.openapi.schemas import Custom
from roost.api.registry import Registry
from roost.api.schema import document
from roost.api.schema.document import REFERENCE
from roost.api.values import Object

_MEDIA = ["application/json", "application/yaml"]
_PATCHES = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
]


def build(registry: Registry, custom: Custom, release: str) -> Object:
    """Return the document; `release` is e.g. v1.36.2."""
    items: dict[str, Object] = {}
    used: set[str] = set()
    for kind in registry.kinds():
        for path in paths(kind):
            items[path.path] = _path(path, tag(kind.group, kind.version))
            for operation in path.operations:
                used.update(name for name in (operation.body, operation.answer) if name)
        used.add(kind.schema)
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": release},
        "paths": dict(sorted(items.items())),
        "definitions": _definitions(used, custom),
        "parameters": {name: _parameter(one) for name, one in p.QUERY.items()},
        "securityDefinitions": {
            "BearerToken": {
                "description": "Bearer Token authentication",
                "type": "apiKey",
                "name": "authorization",
                "in": "header",
            }
        },
        "security": [{"BearerToken": []}],
    }


def _definitions(names: Iterable[str], custom: Custom) -> Object:
    texts = document.descriptions()
    return {
        name: schemas.definition_to_v2(schema)
        if name in custom
        else schemas.described(schema, texts.get(name, {}))
        for name, schema in sorted(schemas.closure(names, custom))
    }


def _path(path: Path, tag_name: str) -> Object:
    shared = set.intersection(*(set(operation.query) for operation in path.operations))
    item: Object = {}
    for operation in path.operations:
        item[operation.method] = _operation(operation, tag_name, shared)
    item["parameters"] = [_parameter(one) for one in path.parameters]
    names = sorted({*shared, "pretty"} if path.pretty else shared)
    item["parameters"] += [{"$ref": f"#/parameters/{name}"} for name in names]
    return item


def _operation(operation: Operation, tag_name: str, shared: set[str]) -> Object:
    parameters: list[Object] = []
    if operation.body:
        body: Object = {"name": "body", "in": "body"}
        if operation.body_required:
            body["required"] = True
        parameters.append({**body, "schema": {"$ref": REFERENCE + operation.body}})
    names = sorted(name for name in operation.query if name not in shared)
    parameters += [{"$ref": f"#/parameters/{name}"} for name in names]
    made: Object = {
        "description": operation.description,
        "consumes": _PATCHES if operation.patch else ["*/*"],
        "produces": [*_MEDIA, "application/json;stream=watch"] if operation.stream else _MEDIA,
        "schemes": ["https"],
        "tags": [tag_name],
        "operationId": operation.id,
        "parameters": parameters,
        "responses": _responses(operation),
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": {
            "group": operation.group,
            "version": operation.version,
            "kind": operation.kind,
        },
    }
    if not parameters:
        del made["parameters"]
    return made


def _responses(operation: Operation) -> Object:
    words = {200: "OK", 201: "Created", 202: "Accepted"}
    schema = {"$ref": REFERENCE + operation.answer} if operation.answer else {"type": "string"}
    made: Object = {
        str(code): {"description": words[code], "schema": schema} for code in operation.codes
    }
    made["401"] = {"description": "Unauthorized"}
    return made


def _parameter(parameter: Parameter) -> Object:
    made: Object = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "type": parameter.type,
        "uniqueItems": True,
    }
    if parameter.place == "path":
        made["required"] = True
    return made
