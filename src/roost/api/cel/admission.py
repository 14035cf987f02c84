"""Environments of expressions about admission: conditions of webhooks, and policies of both sorts.

`object`, `oldObject` and `params` may be anything; `request` and `namespaceObject` have fixed
fields, so that a misspelt one is found when a policy is written and not when it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from roost.api.cel import environment as cel
from roost.api.cel.environment import CompileError, Environment, Program
from roost.api.cel.functions.declare import Declarations, Library, merged
from roost.api.cel.types import (
    ANY,
    BOOL,
    DYN,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    Field,
    Type,
    list_of,
    map_of,
    object_of,
    opaque,
)

_STRINGS: Final = list_of(STRING)
_TEXTS: Final = map_of(STRING, STRING)


def _object(name: str, /, **fields: Type) -> Type:
    return object_of(f"kubernetes.{name}", {key: Field(of, key) for key, of in fields.items()})


_KIND: Final = _object("GroupVersionKind", group=STRING, version=STRING, kind=STRING)
_RESOURCE: Final = _object("GroupVersionResource", group=STRING, version=STRING, resource=STRING)
_USER: Final = _object(
    "UserInfo", username=STRING, uid=STRING, groups=_STRINGS, extra=map_of(STRING, _STRINGS)
)
REQUEST: Final = _object(
    "AdmissionRequest", kind=_KIND, resource=_RESOURCE, subResource=STRING, requestKind=_KIND,
    requestResource=_RESOURCE, requestSubResource=STRING, name=STRING, namespace=STRING,
    operation=STRING, userInfo=_USER, dryRun=BOOL, options=DYN,
)  # fmt: skip
_CONDITION: Final = _object(
    "NamespaceCondition", status=STRING, type=STRING, lastTransitionTime=TIMESTAMP,
    message=STRING, reason=STRING,
)  # fmt: skip
_METADATA: Final = _object(
    "NamespaceMetadata", name=STRING, generateName=STRING, namespace=STRING, labels=_TEXTS,
    annotations=_TEXTS, UID=STRING, creationTimestamp=TIMESTAMP, deletionGracePeriodSeconds=INT,
    deletionTimestamp=TIMESTAMP, generation=INT, resourceVersion=STRING, finalizers=_STRINGS,
)  # fmt: skip
NAMESPACE: Final = _object(
    "Namespace",
    metadata=_METADATA,
    spec=_object("NamespaceSpec", finalizers=_STRINGS),
    status=_object("NamespaceStatus", conditions=list_of(_CONDITION), phase=STRING),
)
AUTHORIZER: Final = opaque("kubernetes.authorization.Authorizer")
RESOURCE_CHECK: Final = opaque("kubernetes.authorization.ResourceCheck")

#: What a mutation builds: an object of any fields, or the operations of a JSON patch.
OBJECT: Final = object_of("Object", {}, dynamic=True)
JSON_PATCH: Final = object_of(
    "JSONPatch",
    {key: Field(STRING, key) for key in ("op", "path", "from")} | {"value": Field(DYN, "value")},
)

_declarations = Declarations()


@_declarations.add("jsonpatch.escapeKey(string) string", cost="scan")
def escape_key(key: str) -> str:
    """Escape a key for its place in the path of a JSON patch."""
    return key.replace("~", "~0").replace("/", "~1")


@lru_cache(maxsize=1)
def _mutating() -> Library:
    from roost.api.cel.library import LIBRARY  # late, as in environment

    return merged([LIBRARY, _declarations.library])


def admission_environment(
    *,
    params: bool = False,
    authorizer: bool = True,
    mutates: bool = False,
    variables: Mapping[str, Type] | None = None,
    objects: Type = DYN,
    param: Type = DYN,
) -> Environment:
    """Return the environment of an expression. None for `variables`: it has none to name.

    `objects` and `param` are the types of the object and the parameter where they are known.
    """
    if variables is None and objects is DYN and param is DYN:
        return _fixed(params, authorizer, mutates)
    return _made(params, authorizer, mutates, variables, objects, param)


@lru_cache(maxsize=8)
def _fixed(params: bool, authorizer: bool, mutates: bool) -> Environment:
    return _made(params, authorizer, mutates, None, DYN, DYN)


def _made(
    params: bool,
    authorizer: bool,
    mutates: bool,
    variables: Mapping[str, Type] | None,
    objects: Type,
    param: Type,
) -> Environment:
    names = {
        "object": objects, "oldObject": objects, "request": REQUEST, "namespaceObject": NAMESPACE,
    }  # fmt: skip
    if params:
        names["params"] = param
    if authorizer:
        names["authorizer"] = AUTHORIZER
        names["authorizer.requestResource"] = RESOURCE_CHECK
    if variables is not None:
        fields = {name: Field(of, name) for name, of in variables.items()}
        names["variables"] = object_of("kubernetes.variables", fields)
    if mutates:
        return Environment(names, {"Object": OBJECT, "JSONPatch": JSON_PATCH}, _mutating())
    return Environment(names)


#: What an expression may result in, by what it is for.
CONDITION: Final = (BOOL,)
MESSAGE: Final = (STRING,)
ANNOTATION: Final = (STRING, NULL)
ANYTHING: Final = (ANY, DYN)
CONFIGURATION: Final = (OBJECT,)
PATCH: Final = (list_of(JSON_PATCH),)


class Unfit(Exception):
    """An expression cannot be compiled, or results in another type; the text says which.

    `internal` if it can be compiled, and yet cannot be run.
    """

    def __init__(self, message: str, *, internal: bool = False) -> None:
        super().__init__(message)
        self.internal = internal


def compiled(source: str, environment: Environment, returns: Sequence[Type]) -> Program:
    """Compile an expression that must result in one of some types. Raises Unfit."""
    try:
        program = cel.compile(source, environment)
    except CompileError as error:
        raise Unfit(f"compilation failed: {error}") from None
    if ANY not in returns and not any(_same(program.result, of) for of in returns):
        wanted = [type_text(of) for of in returns]
        shown = wanted[0] if len(wanted) == 1 else f"one of [{' '.join(wanted)}]"
        raise Unfit(f"must evaluate to {shown} but got {type_text(program.result)}")
    if program.fault:
        raise Unfit(f"program instantiation failed: {program.fault}", internal=True)
    return program


def _same(found: Type, wanted: Type) -> bool:
    return str(found) == str(wanted)


def type_text(of: Type) -> str:
    """Return a type as messages show it."""
    return "null_type" if of.kind == "null" else str(of)
