"""The operations of a kind: every path it is served at, and what each method does there.

This is what OpenAPI documents of both versions say, before either writes it in its own form.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from roost.api.kind import Kind, Subresource
from roost.api.openapi import parameters as p
from roost.api.openapi.parameters import Parameter
from roost.api.schema.body import definition_of

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_DEPRECATED_WATCH = "deprecated: use the 'watch' parameter with a list operation instead"
_CONNECTED = ("attach", "exec", "portforward", "proxy")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `body` and `answer` are names of definitions ("": none, or text)."""

    method: str
    id: str
    action: str
    description: str
    group: str
    version: str
    kind: str
    query: tuple[str, ...] = ()
    body: str = ""
    body_required: bool = True
    answer: str = ""
    codes: tuple[int, ...] = (200,)
    patch: bool = False
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Path:
    """One path: the parameters it has in it, whether `pretty` counts, and its operations."""

    path: str
    parameters: tuple[Parameter, ...]
    operations: tuple[Operation, ...]
    pretty: bool = True


def base_path(group: str, version: str) -> str:
    """Return the path of a group version, e.g. /api/v1 or /apis/apps/v1."""
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


def group_name(group: str) -> str:
    """Return a group as operation ids and tags have it, e.g. rbacAuthorization."""
    first, *rest = (group.removesuffix(".k8s.io") or "core").split(".")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def tag(group: str, version: str) -> str:
    """Return the tag of a group version, e.g. rbacAuthorization_v1."""
    return f"{group_name(group)}_{version}"


def id_part(group: str, version: str = "") -> str:
    """Return what an operation id says of a group version, e.g. RbacAuthorizationV1."""
    name = group_name(group)
    return name[:1].upper() + name[1:] + version[:1].upper() + version[1:]


def paths(kind: Kind) -> Iterator[Path]:
    """Yield the paths that a kind is served at; those with {name} after those without."""
    base = base_path(kind.group, kind.version)
    writer = _Writer(kind)
    inside = (p.NAMESPACE,) if kind.namespaced else ()
    scoped = "/namespaces/{namespace}" if kind.namespaced else ""
    collection = f"{base}{scoped}/{kind.plural}"
    name = p.name_of(kind.name)
    if kind.namespaced and "list" in kind.verbs:
        yield Path(f"{base}/{kind.plural}", (), (writer.list_objects(everywhere=True),))
    yield from _path(collection, inside, writer.collection())
    yield from _path(f"{collection}/{{name}}", (name, *inside), writer.item())
    for sub, subresource in sorted(kind.subresources.items()):
        yield from _subresource_paths(
            f"{collection}/{{name}}/{sub}", kind, sub, subresource, inside
        )
    if "watch" in kind.verbs:
        watched = f"{base}/watch{scoped}/{kind.plural}"
        if kind.namespaced:
            yield Path(f"{base}/watch/{kind.plural}", (), (writer.watch_list(everywhere=True),))
        yield Path(watched, inside, (writer.watch_list(),))
        yield Path(f"{watched}/{{name}}", (name, *inside), (writer.watch(),))


def _path(path: str, parameters: tuple[Parameter, ...], found: list[Operation]) -> Iterator[Path]:
    if found:
        yield Path(path, parameters, tuple(found))


def _subresource_paths(
    path: str, kind: Kind, name: str, subresource: Subresource, inside: tuple[Parameter, ...]
) -> Iterator[Path]:
    writer = _Writer(kind, name, subresource)
    shown = subresource.kind if subresource.group is not None or name == "binding" else kind.name
    if name not in _CONNECTED:
        yield from _path(path, (p.name_of(shown), *inside), writer.item())
        return
    shown = subresource.kind
    yield Path(path, (p.name_of(shown), *inside), tuple(writer.connect()), pretty=False)
    if name == "proxy":
        parts = (p.name_of(shown), *inside, p.PROXY_PATH)
        connected = tuple(writer.connect(with_path=True))
        yield Path(f"{path}/{{path}}", parts, connected, pretty=False)


class _Writer:
    """Writes the operations of a kind or of one of its subresources."""

    def __init__(self, kind: Kind, name: str = "", sub: Subresource | None = None) -> None:
        self._kind = kind
        self._name = name
        self._verbs = sub.verbs if sub else kind.verbs
        self._group = kind.group if sub is None or sub.group is None else sub.group
        self._version = kind.version if sub is None or sub.version is None else sub.version
        self._body_kind = sub.kind if sub else kind.name
        own = self._body_kind == kind.name
        self._definition = kind.schema if own else self._find_definition()
        # Ids end in the kind and the subresource, the latter as one capitalised word.
        self._suffix = f"{'Namespaced' if kind.namespaced else ''}{kind.name}"
        self._sub_suffix = name[:1].upper() + name[1:]
        self._where = id_part(kind.group, kind.version)

    def _find_definition(self) -> str:
        return definition_of(self._group, self._version, self._body_kind) or ""

    def _operation(self, method: str, verb: str, action: str, description: str) -> Operation:
        return Operation(
            method=method,
            id=f"{verb}{self._where}{self._suffix}{self._sub_suffix}",
            action=action,
            description=description,
            group=self._group,
            version=self._version,
            kind=self._body_kind,
            answer=self._definition,
        )

    def list_objects(self, *, everywhere: bool = False) -> Operation:
        watches = "list or watch" if "watch" in self._verbs else "list"
        made = self._operation(
            "get", "list", "list", f"{watches} objects of kind {self._kind.name}"
        )
        ends = f"{self._kind.name}ForAllNamespaces" if everywhere else self._suffix
        return replace(
            made,
            id=f"list{self._where}{ends}",
            query=p.LIST,
            answer=self._kind.list_schema,
            stream=True,
        )

    def watch_list(self, *, everywhere: bool = False) -> Operation:
        kind = self._kind.name
        what = f"watch individual changes to a list of {kind}. {_DEPRECATED_WATCH}."
        ends = f"{kind}ListForAllNamespaces" if everywhere else f"{self._suffix}List"
        made = self._operation("get", "watch", "watchlist", what)
        return replace(
            made,
            id=f"watch{self._where}{ends}",
            query=p.LIST,
            answer=f"{META}WatchEvent",
            stream=True,
        )

    def watch(self) -> Operation:
        what = (
            f"watch changes to an object of kind {self._kind.name}. {_DEPRECATED_WATCH}, filtered "
            "to a single item with the 'fieldSelector' parameter."
        )
        made = self._operation("get", "watch", "watch", what)
        return _watching(made)

    def collection(self) -> list[Operation]:
        made = [self.list_objects()] if "list" in self._verbs else []
        if "create" in self._verbs:
            made.append(self._create())
        if "deletecollection" in self._verbs:
            what = f"delete collection of {self._kind.name}"
            delete = self._operation("delete", "delete", "deletecollection", what)
            made.append(
                replace(
                    delete,
                    id=f"delete{self._where}Collection{self._suffix}",
                    query=p.DELETE_COLLECTION,
                    body=f"{META}DeleteOptions",
                    body_required=False,
                    answer=f"{META}Status",
                )
            )
        return made

    def _create(self) -> Operation:
        kind = self._kind.name
        article = "an" if kind[0] in "AEIOU" else "a"
        what = (
            f"create {self._name} of {article} {kind}" if self._name else f"create {article} {kind}"
        )
        made = self._operation("post", "create", "post", what)
        return replace(made, query=p.WRITE, body=self._definition, codes=(200, 201, 202))

    def item(self) -> list[Operation]:
        kind = self._kind.name
        of = f"{self._name} of the specified {kind}" if self._name else f"the specified {kind}"
        made = []
        if "get" in self._verbs:
            read = self._operation("get", "read", "get", f"read {of}")
            made.append(replace(read, query=p.LOG, answer="") if self._name == "log" else read)
        if "update" in self._verbs:
            put = self._operation("put", "replace", "put", f"replace {of}")
            made.append(replace(put, query=p.WRITE, body=self._definition, codes=(200, 201)))
        if "patch" in self._verbs:
            patch = self._operation("patch", "patch", "patch", f"partially update {of}")
            made.append(
                replace(patch, query=p.PATCH, body=f"{META}Patch", codes=(200, 201), patch=True)
            )
        if self._name and "create" in self._verbs:
            made.append(self._create())
        if "delete" in self._verbs and not self._name:
            made.append(self._delete())
        return made

    def _delete(self) -> Operation:
        kind = self._kind.name
        article = "an" if kind[0] in "AEIOU" else "a"
        made = self._operation("delete", "delete", "delete", f"delete {article} {kind}")
        return replace(
            made,
            query=p.DELETE,
            body=f"{META}DeleteOptions",
            body_required=False,
            answer=self._definition if self._kind.returns_deleted else f"{META}Status",
            codes=(200, 202),
        )

    def connect(self, *, with_path: bool = False) -> list[Operation]:
        """Return the operations that hand the connection over to something else."""
        suffix = f"{self._suffix}{self._sub_suffix}{'WithPath' if with_path else ''}"
        methods = ["get", "post"]
        if self._name == "proxy":
            methods += ["delete", "head", "options", "patch", "put"]
        made = []
        for method in methods:
            what = f"connect {method.upper()} requests to {self._name} of {self._kind.name}"
            one = self._operation(method, "connect", "connect", what)
            made.append(
                replace(
                    one,
                    id=f"connect{self._where}{method.capitalize()}{suffix}",
                    query=p.OPTIONS.get(self._body_kind, ()),
                    answer="",
                )
            )
        return made


def _watching(operation: Operation) -> Operation:
    return replace(operation, query=p.LIST, answer=f"{META}WatchEvent", stream=True)
