"""The verbs of HTTP on resources: query, headers and body in; the answer out.

Each method reads what its verb needs, calls the module that does it, and puts the result into the form
that the client wants.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from roost.api.errors import not_found
from roost.api.kind import Kind
from roost.api.names import check_path_segment
from roost.api.patches.managed import track_update
from roost.api.schema.body import expected
from roost.api.values import Object, copy_of
from roost.apiserver import failures
from roost.apiserver.attributes import Admission, Handler
from roost.apiserver.attributes import Call as HandlerCall
from roost.apiserver.binding import bind
from roost.apiserver.bodies import Bodies
from roost.apiserver.connecting import admit_connection
from roost.apiserver.core import Core, WriteContext, is_custom, shown
from roost.apiserver.creating import create, settle_namespace
from roost.apiserver.deleting import delete, delete_collection, deleted_status
from roost.apiserver.deletion import delete_request
from roost.apiserver.evicting import Evictions
from roost.apiserver.forms import Forms
from roost.apiserver.messages import Answer, Request, Response, WatchAnswer
from roost.apiserver.negotiation import BUILTIN_TYPES, Form, check_shape, negotiate, wants_pretty
from roost.apiserver.options import list_options, write_options
from roost.apiserver.patching import Patches, patch_type
from roost.apiserver.patchreading import APPLY_PATCH
from roost.apiserver.proxies import Proxies
from roost.apiserver.reading import get, list_records
from roost.apiserver.requestinfo import RequestInfo
from roost.apiserver.scaling import GROUP as SCALE_GROUP
from roost.apiserver.scaling import SCALE_KIND, scale_build, scale_of
from roost.apiserver.selection import parse_selection
from roost.apiserver.streams import STREAMS, UPGRADES, Streams
from roost.apiserver.updating import Target, update
from roost.apiserver.watching import FramedWatch, Framer, WatchRequest
from roost.store.port import Record

#: How long a requested token lives unless its request says, in seconds.
_TOKEN_LIFE_S: Final = 3600
_SHAPES: Final = {"list": "list", "watch": "watch", "deletecollection": "list"}


class Call:
    """One request on its way: what every verb looks at."""

    __slots__ = ("_form", "info", "kind", "query", "request")

    def __init__(
        self, kind: Kind, info: RequestInfo, request: Request, query: dict[str, str]
    ) -> None:
        self.kind = kind
        self.info = info
        self.request = request
        self.query = query
        self._form: Form | None = None

    @property
    def form(self) -> Form:
        """What the client wants to be answered with; raises NotAcceptable."""
        if self._form is None:
            shape = _SHAPES.get(self.info.verb, "object")
            accept = self.request.headers.get("accept", "")
            form = negotiate(accept, shape, is_custom(self.kind))
            check_shape(form, shape, self.kind, is_custom(self.kind))
            self._form = form
        return self._form

    @property
    def pretty(self) -> bool:
        return wants_pretty(self.query, self.request.headers.get("user-agent", ""))

    @property
    def include(self) -> str:
        """The includeObject of a request for a table."""
        return self.query.get("includeObject", "")

    @property
    def namespace(self) -> str:
        return self.info.namespace if self.kind.namespaced else ""

    def context(self, options: str) -> WriteContext:
        agent = self.request.headers.get("user-agent", "")
        custom = is_custom(self.kind) and self.info.subresource != "scale"
        applies = (
            options == "PatchOptions" and patch_type(self.request, custom=custom) == APPLY_PATCH
        )
        written = write_options(self.query, options, agent, applies=applies)
        return WriteContext(self.request.user, written, self.request.warnings)


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
        self._streams = Streams(core)
        self._proxies = Proxies(core)
        self._evictions = Evictions(core)
        self._subresources: dict[str, Verb] = {
            "scale": self._scale,
            "binding": self._binding,
            "eviction": self._eviction,
            "proxy": self._proxy,
            **dict.fromkeys(STREAMS, self._stream),
        }

    async def answer(
        self, kind: Kind, info: RequestInfo, request: Request, query: dict[str, str]
    ) -> Response:
        """Answer a request for a kind that is served; raises StatusError."""
        self._route(kind, info, request.method)
        if faults := check_path_segment(info.name):
            raise failures.bad_name(info.name, faults)
        call = Call(kind, info, request, query)
        special = self._subresources.get(info.subresource)
        if special is not None:
            return await special(call)
        # Whoever cannot take the answer must not have changed anything.
        _ = call.form
        handler = self.core.handlers.get((kind.group, kind.plural, info.subresource))
        if handler is not None:
            if call.form.transform == "Table":  # there are no columns of what is computed
                raise failures.only_accepted(BUILTIN_TYPES)
            return await self._handle(call, handler)
        return await self._verbs[info.verb](call)

    @staticmethod
    def _route(kind: Kind, info: RequestInfo, method: str) -> None:
        """Raise NotFound or MethodNotAllowed unless the path exists and has the verb."""
        if is_custom(kind):
            _route_custom(kind, info)
            return
        if (info.inside and not kind.namespaced) or (info.rest and info.subresource != "proxy"):
            raise failures.no_such_path()
        if method == "HEAD" or (info.legacy_watch and method != "GET"):
            raise failures.method_not_allowed()
        if info.subresource:
            subresource = kind.subresources.get(info.subresource)
            if subresource is None:
                raise failures.no_such_path()
            if info.verb not in subresource.verbs:
                raise failures.method_not_allowed()
            return
        verb = info.verb
        if verb not in kind.verbs and verb:
            if verb == "watch" and "list" in kind.verbs and not info.legacy_watch:
                raise failures.not_supported(kind.group, kind.plural, verb)
            raise failures.method_not_allowed()
        named = verb in {"get", "update", "patch", "delete"}
        if not verb or (verb == "create" and info.name) or (named and not info.name):
            raise failures.method_not_allowed()
        if kind.namespaced and not info.namespace and verb not in {"list", "watch"}:
            # Without a namespace there are lists, and no path for one object.
            raise failures.no_such_path() if info.name else failures.method_not_allowed()

    # -- reading

    async def _get(self, call: Call) -> Response:
        version = call.query.get("resourceVersion", "") if call.query else ""
        record = await get(self.core, call.kind, call.namespace, call.info.name, version)
        return self._one(call, record)

    def _one(self, call: Call, record: Record, code: int = 200) -> Answer:
        body = self.forms.one(call.kind, record, call.form, call.pretty, call.include)
        return Answer(code, body, call.form.media)

    async def _list(self, call: Call) -> Response:
        options = list_options(call.query, watch=False)
        selection = parse_selection(call.kind, options.labels, options.fields)
        listing = await list_records(self.core, call.kind, call.namespace, selection, options)
        body = await self.forms.many(call.kind, listing, call.form, call.pretty, call.include)
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
        return WatchAnswer(FramedWatch(self.core, request, framer, key).run, framer.content_type)

    # -- writing

    async def _create(self, call: Call) -> Response:
        if call.kind.plural == "bindings" and call.kind.group == "":
            return await self._bindings(call)
        context = call.context("CreateOptions")
        value = self.bodies.object(call.kind, call.request, context)
        record = await create(self.core, call.kind, call.namespace, value, context)
        return self._one(call, record, 201)

    async def _update(self, call: Call) -> Response:
        context = call.context("UpdateOptions")
        value = self.bodies.object(call.kind, call.request, context)
        self.bodies.check_name(value, call.info.name)
        target = self._target(call)
        target.guarded = True
        written = await update(self.core, target, self.patches.replacement(value), context)
        return self._one(call, written.record, 201 if written.created else 200)

    def _target(self, call: Call) -> Target:
        kind = call.kind
        return Target(
            kind, call.namespace, call.info.name, call.info.subresource, kind.create_on_update
        )

    async def _patch(self, call: Call) -> Response:
        context = call.context("PatchOptions")
        if not call.info.name:
            raise failures.no_name()
        target = self._target(call)
        written = await self.patches.apply(target, call.request, context)
        return self._one(call, written.record, 201 if written.created else 200)

    async def _delete(self, call: Call) -> Response:
        options = delete_request(call.request, call.query)
        context = WriteContext(call.request.user, warnings=call.request.warnings)
        deleted = await delete(
            self.core, call.kind, call.namespace, call.info.name, options, context
        )
        if not deleted.gone or call.kind.returns_deleted:
            # Who asked for the dependents to go, too, is told that the end is yet to come.
            later = not deleted.gone and options.orphan_dependents is False
            return self._one(call, deleted.record, 202 if later else 200)
        status = deleted_status(call.kind, shown(call.kind, deleted.record))
        return self._status(call, status)

    def _status(self, call: Call, status: Object, code: int = 200) -> Answer:
        form = Form(call.form.media)
        body = self.forms.value(call.kind, status, form, call.pretty)
        return Answer(code, body, form.media)

    # -- subresources with ways of their own

    async def _handle(self, call: Call, handler: Handler) -> Response:
        """Answer a resource that is computed."""
        context = call.context("CreateOptions")
        kind, sub = call.kind, call.kind.subresources.get(call.info.subresource)
        name = kind.name if sub is None else sub.kind
        group = kind.group if sub is None or sub.group is None else sub.group
        version = kind.version if sub is None or sub.version is None else sub.version
        body = self.bodies.foreign(group, version, name, call.request, context)
        if name == "TokenRequest":
            body.setdefault("spec", {}).setdefault("expirationSeconds", _TOKEN_LIFE_S)
        wanted = expected(group, version, name)
        track_update(
            wanted.node, None, body, manager=context.options.field_manager,
            api_version=wanted.api_version, now=self.core.now(), subresource=call.info.subresource,
        )  # fmt: skip
        if name != "TokenRequest":  # those are admitted when they are known to be right
            await self._admit_review(call, body, context)
        answer = await handler(
            HandlerCall(
                kind, call.info.subresource, call.request.user, call.namespace, call.info.name,
                body, context.options.dry_run,
            )
        )  # fmt: skip
        return self._status(call, answer, 201)

    async def _admit_review(self, call: Call, body: Object, context: WriteContext) -> None:
        """Ask admission about a question, which is a creation like any other."""
        admission = Admission(
            "CREATE", call.kind, call.namespace, call.info.name, context.user, body, None,
            call.info.subresource, context.options.dry_run, context.options.sent(),
            context.warnings,
        )  # fmt: skip
        await self.core.admit(admission)
        await self.core.validate(admission)

    async def _stream(self, call: Call) -> Response:
        info = call.info
        if info.subresource in UPGRADES:
            await admit_connection(self.core, call.kind, info, call.request)
        return await self._streams.answer(
            info.subresource, info.namespace, info.name, call.request, call.query
        )

    async def _proxy(self, call: Call) -> Response:
        await admit_connection(self.core, call.kind, call.info, call.request)
        return await self._proxies.answer(call.kind, call.info, call.request)

    async def _binding(self, call: Call) -> Response:
        info = call.info
        context = call.context("CreateOptions")
        body = self.bodies.foreign("", "v1", "Binding", call.request, context)
        settle_namespace(call.kind, body["metadata"], info.namespace)
        status = await bind(self.core, call.kind, info.namespace, info.name, body, context)
        return self._status(call, status, 201)

    async def _bindings(self, call: Call) -> Response:
        """Create a Binding: the old way to bind, by a collection."""
        context = call.context("CreateOptions")
        body = self.bodies.foreign("", "v1", "Binding", call.request, context)
        settle_namespace(call.kind, body["metadata"], call.namespace)
        pods = self.core.registry.find("", "v1", "pods")
        if pods is None:
            raise failures.no_such_path()
        name = body["metadata"].get("name", "")
        status = await bind(self.core, pods, call.namespace, name, body, context)
        return self._status(call, status, 201)

    async def _eviction(self, call: Call) -> Response:
        info = call.info
        context = call.context("CreateOptions")
        body = self.bodies.foreign("policy", "v1", "Eviction", call.request, context)
        status = await self._evictions.evict(info.namespace, info.name, body, context)
        return self._status(call, status, 201)

    async def _scale(self, call: Call) -> Response:
        kind, info = call.kind, call.info
        context = None
        if info.verb == "get":
            version = call.query.get("resourceVersion", "")
            record = await get(self.core, kind, call.namespace, info.name, version)
        else:
            target = Target(kind, call.namespace, info.name, "scale")
            if info.verb == "update":
                context = call.context("UpdateOptions")
                body = self.bodies.foreign(SCALE_GROUP, "v1", "Scale", call.request, context)
                settle_namespace(kind, body["metadata"], call.namespace)
                self.bodies.check_name(body, info.name)
                target.guarded = True
                build = scale_build(kind, lambda _old: copy_of(body))
            else:
                context = call.context("PatchOptions")
                build = self.patches.scale_build(target, call.request, context)
            record = (await update(self.core, target, build, context)).record
        scale = scale_of(kind, shown(kind, record))
        body_bytes = self.forms.value(self._scale_kind(), scale, call.form, call.pretty)
        return Answer(200, body_bytes, call.form.media)

    def _scale_kind(self) -> Kind:
        """Return the kind whose columns show a Scale."""
        return SCALE_KIND

    async def _delete_collection(self, call: Call) -> Response:
        listed = list_options(call.query, watch=False)
        selection = parse_selection(call.kind, listed.labels, listed.fields)
        options = delete_request(call.request, call.query)
        context = WriteContext(call.request.user, warnings=call.request.warnings)
        listing = await delete_collection(
            self.core, call.kind, call.namespace, selection, options, context, listed
        )
        body = await self.forms.many(call.kind, listing, call.form, call.pretty, call.include)
        return Answer(200, body, call.form.media)


def _route_custom(kind: Kind, info: RequestInfo) -> None:
    """Do the same for a custom resource, of which the verb alone decides, not the form of the path.

    So HEAD is a GET without a body, and a POST to an object creates the one that its body names.
    """
    offered = kind.verbs
    if info.subresource:
        subresource = kind.subresources.get(info.subresource)
        if subresource is None:
            raise not_found(kind.group, kind.plural, info.name)
        offered = subresource.verbs
    elif info.verb == "create" and info.verb not in offered:
        raise failures.no_creation(kind.group, kind.plural)
    if info.verb not in offered:
        raise failures.not_supported(kind.group, kind.plural, info.verb)
    if info.verb == "update" and not info.name:
        raise failures.no_name()
