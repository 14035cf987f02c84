"""The verbs of HTTP on resources: query, headers and body in; the answer out.

Each method reads what its verb needs, calls the module that does it, and puts the result into the form
that the client wants.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from roost.api.kind import Kind
from roost.api.values import Object
from roost.apiserver import failures
from roost.apiserver.bodies import Bodies
from roost.apiserver.core import Core, WriteContext, is_custom, shown
from roost.apiserver.creating import create
from roost.apiserver.deleting import answered_whole, delete, delete_collection, deleted_status
from roost.apiserver.deletion import delete_request
from roost.apiserver.forms import Forms
from roost.apiserver.messages import Answer, Request, Response, WatchAnswer
from roost.apiserver.negotiation import Form, negotiate, wants_pretty
from roost.apiserver.options import list_options, write_options
from roost.apiserver.patching import Patches
from roost.apiserver.reading import Listing, get, list_records
from roost.apiserver.requestinfo import RequestInfo
from roost.apiserver.selection import parse_selection
from roost.apiserver.updating import Target, update
from roost.apiserver.watching import FramedWatch, Framer, WatchRequest
from roost.store.port import Record

_SHAPES: Final = {"list": "list", "watch": "watch", "deletecollection": "list"}


class Call:
    """One request on its way: what every verb looks at."""

    __slots__ = ("form", "include", "info", "kind", "pretty", "query", "request")

    def __init__(
        self, kind: Kind, info: RequestInfo, request: Request, query: dict[str, str]
    ) -> None:
        self.kind = kind
        self.info = info
        self.request = request
        self.query = query
        headers = request.headers
        shape = _SHAPES.get(info.verb, "object")
        self.form: Form = negotiate(headers.get("accept", ""), shape, is_custom(kind))
        self.pretty = wants_pretty(query, headers.get("user-agent", ""))
        self.include = query.get("includeObject", "") if query else ""

    @property
    def namespace(self) -> str:
        return self.info.namespace if self.kind.namespaced else ""

    def context(self, options: str) -> WriteContext:
        agent = self.request.headers.get("user-agent", "")
        return WriteContext(self.request.user, write_options(self.query, options, agent))


Verb: TypeAlias = Callable[[Call], Awaitable[Response]]


class Verbs:
    """Every verb on every kind."""

    def __init__(self, core: Core, forms: Forms) -> None:
        self.core = core
        self.forms = forms
        self.bodies = Bodies(core)
        self.patches = Patches(core, self.bodies)
        self._verbs: dict[str, Verb] = {
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }

    async def answer(
        self, kind: Kind, info: RequestInfo, request: Request, query: dict[str, str]
    ) -> Response:
        """Answer a request for a kind that is served; raises StatusError."""
        self._route(kind, info)
        call = Call(kind, info, request, query)
        return await self._verbs[info.verb](call)

    @staticmethod
    def _route(kind: Kind, info: RequestInfo) -> None:
        """Raise NotFound or MethodNotAllowed unless the path exists and has the verb."""
        if info.subresource:
            subresource = kind.subresources.get(info.subresource)
            if subresource is None:
                raise failures.no_such_path()
            if info.verb not in subresource.verbs:
                raise failures.method_not_allowed()
            return
        verb = info.verb
        if verb not in kind.verbs and verb:
            raise failures.method_not_allowed()
        named = verb in {"get", "update", "patch", "delete"}
        if not verb or (verb == "create" and info.name) or (named and not info.name):
            raise failures.method_not_allowed()
        if kind.namespaced and not info.namespace and verb not in {"list", "watch"}:
            raise failures.method_not_allowed()

    # -- reading

    async def _get(self, call: Call) -> Response:
        version = call.query.get("resourceVersion", "") if call.query else ""
        record = await get(self.core, call.kind, call.namespace, call.info.name, version)
        return self._one(call, record)

    def _one(
        self, call: Call, record: Record, code: int = 200, context: WriteContext | None = None
    ) -> Answer:
        body = self.forms.one(call.kind, record, call.form, call.pretty, call.include)
        return Answer(code, body, call.form.media, warning_headers(context))

    async def _list(self, call: Call) -> Response:
        options = list_options(call.query, watch=False)
        selection = parse_selection(call.kind, options.labels, options.fields)
        listing = await list_records(self.core, call.kind, call.namespace, selection, options)
        body = self.forms.many(call.kind, listing, call.form, call.pretty, call.include)
        return Answer(200, body, call.form.media)

    async def _watch(self, call: Call) -> Response:
        options = list_options(call.query, watch=True)
        fields = options.fields
        if call.info.name:
            only = f"metadata.name={call.info.name}"
            fields = f"{fields},{only}" if fields else only
        selection = parse_selection(call.kind, options.labels, fields)
        request = WatchRequest(call.kind, call.namespace, selection, options)
        request.start()
        framer = Framer(self.forms, call.kind, call.form, call.include)
        key = (call.kind.group, call.kind.version, call.form, selection)
        return WatchAnswer(FramedWatch(self.core, request, framer, key).run)

    # -- writing

    async def _create(self, call: Call) -> Response:
        context = call.context("CreateOptions")
        value = self.bodies.object(call.kind, call.request, context)
        record = await create(self.core, call.kind, call.namespace, value, context)
        return self._one(call, record, 201, context)

    async def _update(self, call: Call) -> Response:
        context = call.context("UpdateOptions")
        value = self.bodies.object(call.kind, call.request, context)
        self.bodies.check_name(value, call.info.name)
        target = self._target(call)
        written = await update(self.core, target, self.patches.replacement(value), context)
        return self._one(call, written.record, 201 if written.created else 200, context)

    def _target(self, call: Call) -> Target:
        kind = call.kind
        return Target(
            kind, call.namespace, call.info.name, call.info.subresource, kind.create_on_update
        )

    async def _patch(self, call: Call) -> Response:
        context = call.context("PatchOptions")
        target = self._target(call)
        written = await self.patches.apply(target, call.request, context)
        return self._one(call, written.record, 201 if written.created else 200, context)

    async def _delete(self, call: Call) -> Response:
        options = delete_request(call.request, call.query)
        context = WriteContext(call.request.user)
        deleted = await delete(
            self.core, call.kind, call.namespace, call.info.name, options, context
        )
        if not deleted.gone or answered_whole(call.kind):
            return self._one(call, deleted.record, context=context)
        status = deleted_status(call.kind, shown(call.kind, deleted.record))
        return self._status(call, status, context=context)

    def _status(
        self, call: Call, status: Object, code: int = 200, context: WriteContext | None = None
    ) -> Answer:
        form = Form(call.form.media)
        body = self.forms.value(call.kind, status, form, call.pretty)
        return Answer(code, body, form.media, warning_headers(context))

    async def _delete_collection(self, call: Call) -> Response:
        listed = list_options(call.query, watch=False)
        selection = parse_selection(call.kind, listed.labels, listed.fields)
        options = delete_request(call.request, call.query)
        context = WriteContext(call.request.user)
        records, revision = await delete_collection(
            self.core, call.kind, call.namespace, selection, options, context
        )
        listing = Listing(records, revision)
        body = self.forms.many(call.kind, listing, call.form, call.pretty, call.include)
        return Answer(200, body, call.form.media, warning_headers(context))


def warning_headers(context: WriteContext | None) -> tuple[tuple[str, str], ...]:
    """Return the Warning headers of a write: each text once, quoted as RFC 7234 wants it."""
    if context is None or not context.warnings:
        return ()
    return tuple(
        ("Warning", f'299 - "{_quoted(text)}"') for text in dict.fromkeys(context.warnings)
    )


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
