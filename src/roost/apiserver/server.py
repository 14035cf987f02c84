"""The API server: one pipeline from a request to its answer.

Understand the path, authorise, then hand over to the module of the verb. Everything is a function of
the store and the ports; sockets, and finding out who asks, are the business of roost.apiserver.http.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from roost.api.errors import InternalError, RequestEntityTooLarge, StatusError
from roost.api.kind import Kind, Resource
from roost.api.protobuf import objects
from roost.api.registry import Registry
from roost.api.schema.node import Node
from roost.api.values import Object
from roost.apiserver.access.impersonation import impersonated_user, wanted_user
from roost.apiserver.access.refusals import forbidden
from roost.apiserver.addressing import load_addresses
from roost.apiserver.admission.port import Plugin
from roost.apiserver.aggregation.merging import Elsewhere
from roost.apiserver.aggregation.remote import Fetcher, Remotes
from roost.apiserver.allocation import Allocator
from roost.apiserver.attempts import Attempts
from roost.apiserver.attributes import Attributes, Decision, Handler, User
from roost.apiserver.auditing.auditor import Auditor, Record
from roost.apiserver.components import RESOURCE as COMPONENT_STATUSES
from roost.apiserver.components import Components
from roost.apiserver.core import Core, Lookup, is_custom
from roost.apiserver.deadlines import Deadlines, requested_s, timed_out
from roost.apiserver.discovering import Discovery
from roost.apiserver.encoding import encode, to_yaml
from roost.apiserver.failures import too_deep
from roost.apiserver.fairness.estimating import TELLING_S, Estimator
from roost.apiserver.fairness.flows import Flows, Refused, too_many
from roost.apiserver.feed import Feed
from roost.apiserver.forms import Forms
from roost.apiserver.health import Health
from roost.apiserver.housekeeping import Housekeeping
from roost.apiserver.identities import Identities
from roost.apiserver.inprocess import InProcessClient, Manner
from roost.apiserver.inspection import inspect
from roost.apiserver.messages import BODY_LIMIT_BYTES, YAML, Answer, Proxy, Request, Response
from roost.apiserver.metrics import Metrics
from roost.apiserver.negotiation import PROTOBUF, plain_media
from roost.apiserver.nodemetrics.serving import GROUP, VERSION, NodeMetrics
from roost.apiserver.nonresource import NonResource
from roost.apiserver.options import parse_bool, parse_query
from roost.apiserver.requestinfo import RequestInfo, parse_path, selected_name
from roost.apiserver.requestlog import SLOW_S, RequestLog
from roost.apiserver.streams import UPGRADES
from roost.apiserver.tables import Tables
from roost.apiserver.verbs import Verbs
from roost.apiserver.waits import taken
from roost.apiserver.warning import warning_headers
from roost.apiserver.witnessing import Witness
from roost.ports.port import Chance, Ids, WallClock
from roost.store.port import Damaged, Full, Store

#: Resources whose every use is answered with a warning.
_DEPRECATED = {
    Resource("", "v1", "endpoints"): (
        "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
    ),
    COMPONENT_STATUSES: "v1 ComponentStatus is deprecated in v1.19+",
}


#: Requests that may need more than one seat.
_WIDE = frozenset({"list", "watch"})


class Authorizer(Protocol):
    """Says whether somebody may; see roost.apiserver.authorizer."""

    def authorize(self, request: Attributes) -> Decision: ...


class Part(Protocol):
    """Something that belongs to the server and has a life of its own."""

    async def load(self) -> None:
        """Read what must be known before the first request."""

    async def run(self) -> None:
        """Work until cancelled."""


class ApiServer:
    """A Kubernetes API server without sockets. `run` must be running while it answers."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        clock: WallClock,
        chance: Chance,
        ids: Ids,
        *,
        authorizer: Authorizer,
        admission: Sequence[Plugin] = (),
        handlers: Mapping[tuple[str, str, str], Handler] | None = None,
        documents: Mapping[str, Callable[[], bytes]] | None = None,
        release: str = "v1.36.0",
        service_addresses: str = "10.96.0.0/16",
        node_ports: range = range(30000, 32768),
        flows: Flows | None = None,
        fetcher: Fetcher | None = None,
    ) -> None:
        self.registry = registry
        self.authorizer = authorizer
        self.feed = Feed(store)
        allocator = Allocator(chance, addresses=service_addresses, ports=node_ports)
        self.core = Core(
            store, registry, clock, chance, ids, admission, handlers or {}, allocator,
            self.feed, Lookup(store, registry),
        )  # fmt: skip
        self._forms = Forms(self.core, Tables(clock))
        self._verbs = Verbs(self.core, self._forms)
        self.metrics = Metrics()
        self.attempts = Attempts()
        self.health = Health()
        self.flows = flows or Flows()
        #: Set when the server is about to end: it is not ready then.
        self.stopping = False
        #: Set for a server that audits.
        self.auditor: Auditor | None = None
        self.remotes = Remotes(self.core.lookup, chance, fetcher)
        self.node_metrics = (
            None if fetcher is None else NodeMetrics(self.core.lookup, fetcher, self.core.now)
        )
        self._estimator = Estimator(store, registry, self.feed)
        self._log = RequestLog()
        self._deadlines = Deadlines()
        self._identities = Identities(ids)
        self._witness = Witness(self.metrics, self._identities, lambda: self.auditor)
        self.metrics.sources.append(self._witness.families)
        self._paths = NonResource(
            self.core,
            Discovery(registry, release, self._elsewhere),
            self.metrics,
            self.health,
            documents or {},
        )
        self._housekeeping = Housekeeping(self.core)
        #: The parts of the cluster that run with the server are to be told of here.
        self.components = Components()
        self.core.computed[COMPONENT_STATUSES] = self.components.objects
        self._parts: list[Part] = []
        self._ready = asyncio.Event()
        self._loaded = inspect(self, release)

    async def run(self) -> None:
        """Load what is kept in memory, then feed watches and keep house until cancelled."""
        await self._load()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.feed.run(), name="feed")
            tasks.create_task(self._housekeeping.run(), name="housekeeping")
            tasks.create_task(self._deadlines.run(), name="deadlines")
            for part in self._parts:
                tasks.create_task(part.run(), name=type(part).__name__)
            self._loaded()
            self._ready.set()

    async def ready(self) -> None:
        """Return once `run` has loaded everything."""
        await self._ready.wait()

    def extend(self, part: Part) -> None:
        """Let a part load before the server is ready, and run beside it; call it before `run`."""
        self._parts.append(part)

    async def _load(self) -> None:
        for part in self._parts:
            await part.load()
        await load_addresses(self.core)

    def client(
        self, user: User | None = None, *, rest_s: float = 0.0, manner: Manner | None = None
    ) -> InProcessClient:
        """Return a client in process; as `user` it is authorised, as None it may do everything.

        Its watches rest so long after each batch: what comes meanwhile is one batch, which costs far
        less. What comes after a quiet spell is not delayed. `manner` says that and more.
        """
        how = manner or Manner(rest_s=rest_s)
        return InProcessClient(self.core, self._verbs, self.authorizer, user, how, self._witness)

    def _elsewhere(self) -> list[Elsewhere]:
        """Return what discovery shows beside the registry."""
        found = self.remotes.elsewhere() if self.remotes else []
        metrics = self.node_metrics
        if metrics is not None and metrics.present and not self.remotes.find(GROUP, VERSION):
            found.append(metrics.elsewhere())
        return found

    def group_versions(self) -> set[tuple[str, str]]:
        """Return the group versions that are served here."""
        found = {(kind.group, kind.version) for kind in self.registry.kinds()}
        metrics = self.node_metrics
        if metrics is not None and metrics.present and not self.remotes.find(GROUP, VERSION):
            found.add((GROUP, VERSION))
        return found

    async def handle(self, request: Request) -> Response:
        """Answer a request. Never raises a StatusError; only cancellation and bugs get out."""
        begun = asyncio.get_running_loop().time()
        self.attempts.admitted += 1
        info, query, fault = _understand(request)
        request.head = self._identities.head(request.headers.get("audit-id"))
        record = None if self.auditor is None else self.auditor.begin(request, info)
        deadline = self._deadlines.begin(begun)
        reading = self.metrics.started(info.verb)
        try:
            if fault is not None:
                raise fault  # noqa: TRY301 - it is answered as any other
            if query and query.get("timeout") and info.verb != "watch":
                self._deadlines.shorten(deadline, requested_s(query["timeout"]))
            answer = await self._answer(request, info, query, record)
        except StatusError as error:
            answer = error_answer(error, request.headers.get("accept", ""))
        except (Full, Damaged) as error:  # the health checks tell of it too
            answer = error_answer(
                InternalError.because(str(error)), request.headers.get("accept", "")
            )
        except RecursionError:
            # Only what somebody sent can be so deep: nothing like it is ever stored.
            answer = error_answer(too_deep(), request.headers.get("accept", ""))
        except Refused:
            answer = too_many()
        except asyncio.CancelledError:
            if not self._deadlines.missed(deadline):
                raise
            answer = error_answer(timed_out(), request.headers.get("accept", ""))
        except Exception as error:
            if record is not None:
                record.broken(error)
            raise
        finally:
            self._deadlines.end(deadline)
            self.metrics.ended(reading)
        self._finish(request, info, answer, begun)
        if record is not None:
            record.answered(answer)
        return answer

    def unauthenticated(self, request: Request, error: StatusError) -> Answer:
        """Return the answer to somebody whose credentials are not good."""
        begun = asyncio.get_running_loop().time()
        self.attempts.turned_away += 1
        info, _, _ = _understand(request)
        request.head = self._identities.head(request.headers.get("audit-id"))
        answer = error_answer(error, request.headers.get("accept", ""))
        self._finish(request, info, answer, begun)
        if self.auditor is not None:
            self.auditor.turned_away(request, info, answer)
        return answer

    def _finish(self, request: Request, info: RequestInfo, answer: Response, begun: float) -> None:
        """Put into the answer what all have, and count it."""
        code, size_bytes = 200, 0
        if not isinstance(answer, Proxy):
            if request.warnings:
                answer.headers += warning_headers(request.warnings)
            answer.head = request.head
            if isinstance(answer, Answer):
                code, size_bytes = answer.code, answer.size_bytes
        seconds = asyncio.get_running_loop().time() - begun
        if self._log.all or seconds >= SLOW_S or code >= 500:
            self._log.note(request, info, code, seconds)
        self.metrics.answered(info, info.served, code, seconds, size_bytes, taken())

    async def _answer(
        self, request: Request, info: RequestInfo, query: dict[str, str], record: Record | None
    ) -> Response:
        attributes = self._asker(info, request, query)
        if record is not None and attributes.user is not record.user:
            record.impersonated(attributes.user)
        place = self.flows.place(request.user, info)
        request.head += place.head
        width = 1
        if info.verb in _WIDE and not place.level.limits.exempt:
            width = min(await self._estimator.width(info, query), place.level.widest)
        if not self.flows.enter(place, width):
            await self.flows.wait(place, width)
        telling, answer = 0, None
        try:
            self._authorize(info, attributes, record)
            answer = await self._carry_out(request, info, query)
            telling = self._estimator.telling(info)
        finally:
            if telling:
                seats = min(telling, place.level.widest)
                self.flows.leave_behind(place, width, seats, seats * TELLING_S)
            elif isinstance(answer, Answer) and not isinstance(answer.body, bytes):
                answer.body = self.flows.seated(answer.body, place, width)
            else:
                self.flows.leave(place, width)
        return answer

    async def _carry_out(
        self, request: Request, info: RequestInfo, query: dict[str, str]
    ) -> Response:
        if not info.is_resource:
            remote = self.remotes.of_document(info.path) if self.remotes else None
            if remote is not None:
                return await self.remotes.proxy(remote, request)
            return await self._paths.answer(request)
        kind = self.registry.find(info.group, info.version, info.resource)
        if kind is None:
            remote = self.remotes.find(info.group, info.version) if self.remotes else None
            if remote is not None:
                return await self.remotes.proxy(remote, request)
            if info.group == GROUP and self.node_metrics is not None and self.node_metrics.present:
                return await self.node_metrics.answer(info, request, query)
            return self._paths.unknown(info)
        if is_custom(kind) and info.out_of_scope(kind.namespaced):
            return self._paths.unknown(info)
        # What is not served is counted together: askers must not choose how many series there are.
        info.served = not info.subresource or info.subresource in kind.subresources
        warning = kind.warning or _DEPRECATED.get(kind.resource)
        if warning:
            request.warnings.append(warning)
            self.metrics.deprecated[
                info.group, "", info.resource, info.subresource, info.version
            ] = 1
        if len(request.body) > BODY_LIMIT_BYTES:
            raise RequestEntityTooLarge(f"Request entity too large: limit is {BODY_LIMIT_BYTES}")
        return await self._verbs.answer(kind, info, request, query)

    def _asker(self, info: RequestInfo, request: Request, query: dict[str, str]) -> Attributes:
        """Return what is asked by whom; by somebody else, if the user may act as them."""
        attributes = attributes_of(info, request.user, query)
        wanted = wanted_user(request.headers.items())
        if wanted is None:
            return attributes
        request.user = impersonated_user(self.authorizer.authorize, attributes, wanted)
        return replace(attributes, user=request.user)

    def _authorize(self, info: RequestInfo, attributes: Attributes, record: Record | None) -> None:
        decision = self.authorizer.authorize(attributes)
        upgrades = info.subresource in UPGRADES and info.resource == "pods"
        if decision.allowed and upgrades and info.verb == "get":
            # A WebSocket has to be a GET, but what it does is a create.
            attributes = replace(attributes, verb="create")
            decision = self.authorizer.authorize(attributes)
        if record is not None:
            record.decided(decision)
        if not decision.allowed:
            self.attempts.forbidden += 1
            raise forbidden(attributes, decision.reason)
        self.attempts.allowed += 1

    def publish(self, definitions: Mapping[str, Object]) -> None:
        """Show these schemas of custom resources in OpenAPI, by definition name and in v3 form."""
        self._paths.discovery.documents.set_custom(definitions)

    def serve(self, kinds: Sequence[tuple[Kind, Node]]) -> None:
        """Serve further kinds (of CustomResourceDefinitions), each with its schema."""
        self.core.custom.update({kind.resource: node for kind, node in kinds})
        self.registry.add([kind for kind, _ in kinds])

    def withdraw(self, resources: Sequence[Resource]) -> None:
        """Serve these kinds no longer; what is stored of them stays."""
        self.registry.remove(resources)
        for resource in resources:
            self.core.custom.pop(resource, None)


def _understand(request: Request) -> tuple[RequestInfo, dict[str, str], StatusError | None]:
    """Return what a path and its query mean, and what is wrong with the query."""
    query: dict[str, str] = {}
    fault = None
    if request.query:
        try:
            query = parse_query(request.query)
        except StatusError as error:
            fault = error
    watch = bool(query) and parse_bool(query.get("watch"))
    info = parse_path(request.method, request.path, watch=watch)
    if query and "dryRun" in query:
        info.dry_run = query["dryRun"] if query["dryRun"] in ("", "All") else "invalid"
    return info, query, fault


def attributes_of(info: RequestInfo, user: User, query: dict[str, str]) -> Attributes:
    """Return a request as authorisers see it."""
    if not info.is_resource:
        return Attributes(user, info.verb, path=info.path)
    fields = query.get("fieldSelector", "")
    name = info.name or selected_name(info.verb, fields)
    return Attributes(
        user, info.verb, info.group, info.version, info.resource, info.subresource,
        info.namespace, name, "", fields, query.get("labelSelector", ""),
    )  # fmt: skip


def error_answer(error: StatusError, accept: str = "") -> Answer:
    """Return the answer that an error stands for, in the media type that is asked for."""
    headers: tuple[tuple[str, str], ...] = ()
    retry = (error.details or {}).get("retryAfterSeconds")
    if retry:
        headers = (("Retry-After", str(retry)),)
    media, status = plain_media(accept), error.status()
    if media == PROTOBUF:
        return Answer(error.code, objects.encode(status), media, headers)
    if media == YAML:
        return Answer(error.code, to_yaml(status), media, headers)
    return Answer(error.code, encode(status), headers=headers)
