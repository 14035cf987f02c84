"""Writes audit events: audit.k8s.io/v1 Event, one line of JSON for each stage of a request.

Events are made on the spot, for only there the facts are at hand, and given to a sink that must never
wait. Bodies are put in as they were sent, without decoding JSON a second time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec
import yaml

from roost.api.errors import StatusError
from roost.api.protobuf import objects
from roost.api.values import Object
from roost.apiserver.attributes import Decision, User
from roost.apiserver.auditing.current import NOTES
from roost.apiserver.auditing.policy import (
    COMPLETE,
    LEVEL_NAMES,
    PANIC,
    RECEIVED,
    STARTED,
    Level,
    Policy,
    Rule,
)
from roost.apiserver.encoding import decode, encode
from roost.apiserver.identities import identity_of
from roost.apiserver.messages import Answer, Proxy, Request, Response, Sink, WatchAnswer
from roost.apiserver.negotiation import PROTOBUF
from roost.apiserver.options import parse_query
from roost.apiserver.requestinfo import RequestInfo, selected_name
from roost.apiserver.streams import UPGRADES
from roost.ports.port import WallClock

_WRITING: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})
#: Their bodies name the object, which the path may not.
_NAMING: Final = frozenset({"create", "update"})
_LONG_RUNNING: Final = UPGRADES | {"log", "proxy"}
_STATUS: Final = b'{"kind":"Status"'
_AGENT_LENGTH: Final = 1024
_DECISION: Final = "authorization.k8s.io/decision"
_REASON: Final = "authorization.k8s.io/reason"


class _Metadata(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = ""  # noqa: N815 - as on the wire


class _Headed(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


_HEADED: Final = msgspec.json.Decoder(_Headed)


class AuditSink(Protocol):
    """Takes lines. `write` never waits and never raises."""

    def write(self, line: bytes) -> None: ...


class Record:
    """One request that is audited."""

    __slots__ = ("_auditor", "_event", "_notes", "_rule", "info", "user")

    def __init__(
        self, auditor: Auditor, rule: Rule, info: RequestInfo, user: User, event: Object
    ) -> None:
        self.info = info
        #: Who asked, before acting as anybody else.
        self.user = user
        self._auditor = auditor
        self._rule = rule
        self._event = event
        self._notes: dict[str, str] = {}
        NOTES.set(self._notes)

    @property
    def level(self) -> Level:
        """How much of the request is wanted."""
        return self._rule.level

    def decided(self, decision: Decision) -> None:
        """Note how authorisation went."""
        self._notes[_DECISION] = "allow" if decision.allowed else "forbid"
        self._notes[_REASON] = decision.reason

    def impersonated(self, user: User) -> None:
        self._event["impersonatedUser"] = _user(user)

    def answered(self, answer: Response) -> None:
        """Note the answer; of a stream, its beginning now and its end later."""
        if isinstance(answer, Answer):
            self._describe(answer.code, answer)
            if is_long_running(self.info):
                self._stage(STARTED, answer.code)
            self._stage(COMPLETE, answer.code)
        elif isinstance(answer, WatchAnswer):
            self._stream(answer)
        else:
            self._pass_on(answer)

    def turned_away(self, answer: Answer) -> None:
        """Note the answer to somebody who is not let in: there is no more to tell."""
        self._describe(answer.code, answer)
        self._stage(STARTED, answer.code)

    def broken(self, error: Exception) -> None:
        """Note that there is no answer, because of a fault of the server's own."""
        self._event["responseStatus"] = {
            "status": "Failure",
            "message": f"APIServer panic'd: {error}",
            "reason": "InternalError",
        }
        self._stage(PANIC, 500)

    def _stream(self, answer: WatchAnswer) -> None:
        run = answer.run

        async def audited(sink: Sink) -> None:
            self._stage(STARTED, 200)
            try:
                await run(sink)
            finally:
                self._stage(COMPLETE, 200)

        answer.run = audited

    def _pass_on(self, proxy: Proxy) -> None:
        self._stage(STARTED, 101 if self.info.subresource in UPGRADES else 200)
        proxy.finished = lambda code: self._stage(COMPLETE, code)

    def _describe(self, code: int, answer: Answer) -> None:
        """Put into the event what an answer says of itself."""
        event, whole = self._event, self._rule.level >= Level.REQUEST_RESPONSE
        if code < 400 and not whole and self.info.verb != "delete":
            return
        answer.body = sent = answer.whole()
        is_status = code >= 400 or sent.startswith(_STATUS)
        if not is_status and not whole:
            return  # a large object need not be looked at
        body = _readable(sent, answer.content_type)
        if body is None:
            return
        if is_status:
            event["responseStatus"] = _told(decode(bytes(body)))
        if whole:
            event["responseObject"] = self._trimmed(body)

    def received(self, request: Request) -> None:
        """Note that the request is there, and what is in it."""
        self._stage(RECEIVED, 0)
        if not request.body or self.info.verb not in _WRITING:
            return
        wanted = self._rule.level >= Level.REQUEST
        if not wanted and self.info.verb not in _NAMING:
            return
        body = _readable(request.body, request.headers.get("content-type", ""))
        if body is None:
            return
        if self.info.verb in _NAMING and self.info.is_resource:
            self._event["objectRef"] = _named(self._event["objectRef"], body)
        if wanted:
            self._event["requestObject"] = self._trimmed(body)

    def _trimmed(self, body: msgspec.Raw) -> Any:
        if not self._rule.omit_managed_fields or b'"managedFields"' not in bytes(body):
            return body
        value = decode(bytes(body))
        for each in _objects_in(value) if isinstance(value, dict) else ():
            if isinstance(each, dict) and isinstance(each.get("metadata"), dict):
                each["metadata"].pop("managedFields", None)
        return value

    def _stage(self, stage: str, code: int) -> None:
        if stage in self._rule.omitted:
            return
        event = {**self._event, "stage": stage}
        if code:
            event["responseStatus"] = {
                "metadata": {}, **self._event.get("responseStatus", {}), "code": code,
            }  # fmt: skip
            if self._notes:
                event["annotations"] = self._notes
        received = event["requestReceivedTimestamp"]
        event["stageTimestamp"] = received if stage == RECEIVED else self._auditor.now()
        self._auditor.write(event)


class Auditor:
    """Audits the requests of one server."""

    def __init__(self, policy: Policy, sink: AuditSink, clock: WallClock) -> None:
        self._policy = policy
        self._sink = sink
        self._clock = clock
        self.events = 0
        #: How many requests were recorded how far, by the name of the level.
        self.levels: dict[str, int] = {}

    def now(self) -> str:
        moment = datetime.fromtimestamp(self._clock.now(), UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def level(self, user: User, info: RequestInfo) -> Level:
        """Return how much of a request is wanted."""
        return self._policy.rule(user, info).level

    def begin(self, request: Request, info: RequestInfo) -> Record | None:
        """Return the record of a request whose author is known; None if nobody wants to know."""
        record = self._record(request, info, request.user)
        if record is not None:
            record.received(request)
        return record

    def turned_away(self, request: Request, info: RequestInfo, answer: Answer) -> None:
        """Record a request of somebody whose credentials are not good: nobody knows who it is."""
        record = self._record(request, info, None)
        if record is not None:
            record.turned_away(answer)

    def _record(self, request: Request, info: RequestInfo, user: User | None) -> Record | None:
        name = info.name or _selected(request, info)
        rule = self._policy.rule(user, info, name)
        level = LEVEL_NAMES[rule.level]
        self.levels[level] = self.levels.get(level, 0) + 1
        if rule.level == Level.NONE:
            return None
        uri = f"{request.raw_path or request.path}?{request.query}".removesuffix("?")
        event: Object = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": level,
            "auditID": identity_of(request.head),
            "stage": "",
            "requestURI": uri,
            "verb": info.verb,
            "user": {} if user is None else _user(user),
        }
        sources = _sources(request)
        if sources:
            event["sourceIPs"] = sources
        agent = request.headers.get("user-agent", "")
        if agent:
            cut = len(agent) > _AGENT_LENGTH
            event["userAgent"] = f"{agent[:_AGENT_LENGTH]}...TRUNCATED" if cut else agent
        if info.is_resource:
            event["objectRef"] = _reference(info, name)
        event["requestReceivedTimestamp"] = self.now()
        return Record(self, rule, info, request.user, event)

    def write(self, event: Object) -> None:
        self.events += 1
        self._sink.write(encode(event) + b"\n")


def _user(user: User) -> Object:
    found: Object = {"username": user.name}
    if user.uid:
        found["uid"] = user.uid
    if user.groups:
        found["groups"] = list(user.groups)
    if user.extra:
        found["extra"] = {key: list(values) for key, values in user.extra.items()}
    return found


def _sources(request: Request) -> list[str]:
    """Return where a request came from: what proxies say, then who is connected."""
    said = request.headers.get("x-forwarded-for", "").split(",")
    every = [*said, request.headers.get("x-real-ip", ""), request.peer]
    return [each for each in dict.fromkeys(part.strip() for part in every) if each]


def _selected(request: Request, info: RequestInfo) -> str:
    """Return the name of the one object that the query asks for."""
    if "fieldSelector" not in request.query:
        return ""
    try:
        return selected_name(info.verb, parse_query(request.query).get("fieldSelector", ""))
    except StatusError:
        return ""


def _reference(info: RequestInfo, name: str) -> Object:
    parts = {
        "resource": info.resource,
        "namespace": info.namespace,
        "name": name,
        "apiGroup": info.group,
        "apiVersion": info.version,
        "subresource": info.subresource,
    }
    return {key: value for key, value in parts.items() if value}


def is_long_running(info: RequestInfo) -> bool:
    """Say whether answers of such requests begin long before they end."""
    return info.verb in ("watch", "proxy") or info.subresource in _LONG_RUNNING


def _named(reference: Object, body: msgspec.Raw) -> Object:
    """Return a reference with what the object that was sent says of itself."""
    try:
        metadata = _HEADED.decode(body).metadata
    except msgspec.ValidationError:
        return reference
    said = {
        "namespace": metadata.namespace,
        "name": metadata.name,
        "uid": metadata.uid,
        "resourceVersion": metadata.resourceVersion,
    }
    return {**reference, **{k: v for k, v in said.items() if v and k not in reference}}


def _objects_in(value: dict[str, Any]) -> Iterator[Any]:
    """Yield an object, and those that it lists."""
    yield value
    yield from value.get("items") or ()
    for row in value.get("rows") or ():
        if isinstance(row, dict):
            yield row.get("object")


def _told(status: Any) -> Object:
    if not isinstance(status, dict):
        return {}
    return {key: status[key] for key in ("status", "message", "reason", "details") if key in status}


def _readable(body: bytes, content_type: str) -> msgspec.Raw | None:
    """Return a body as JSON; None if it is none, nor can be made."""
    media = content_type.partition(";")[0]
    try:
        if media == PROTOBUF:
            version, kind, value = objects.decode(body)
            return msgspec.Raw(encode({"kind": kind, "apiVersion": version, **value}))
        if media.endswith("yaml"):
            return msgspec.Raw(encode(yaml.safe_load(body)))
        value = decode(body)
    except (ValueError, TypeError, LookupError, yaml.YAMLError):
        return None
    # An event is one line, whatever the body was.
    return msgspec.Raw(encode(value) if b"\n" in body else body)
