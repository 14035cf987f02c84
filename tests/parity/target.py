"""What a behaviour case may do to a cluster, whatever cluster it is.

A case is a function of one Target: it has a namespace of its own, says what should come about and
within which time, and knows neither whether time is virtual nor whether containers are real. Rule: what
only one kind of cluster can do is asked for with `needs`, never tried.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import pytest

from roost.api.errors import NotFound, StatusError
from roost.api.kind import Kind, Resource
from roost.api.registry import Registry, builtin
from roost.client.port import Client, DeleteOptions, PatchType, Query, WatchEvent

T = TypeVar("T")
Object = dict[str, Any]
#: What both worlds know: a shell and small programs; the cluster must be able to pull it.
IMAGE: Final = "busybox:1"
#: How long something may take on a machine that has other things to do.
USUAL_S: Final = 60.0

_KINDS: Final[Registry] = builtin()


class Refused(Exception):
    """`kubectl apply` refused: its words."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a command in a container answered."""

    code: int
    out: str
    err: str = ""


@dataclass(slots=True)
class Watching:
    """A watch that goes on: `events` grows. `error` is what ended it."""

    events: list[WatchEvent] = field(default_factory=list)
    error: StatusError | None = None

    def told(self) -> list[tuple[str, str]]:
        """Return (type, name) of every event but bookmarks."""
        return [
            (event.type, event.object["metadata"]["name"])
            for event in self.events
            if event.type != "BOOKMARK"
        ]


def address(kind: str) -> tuple[Resource, bool]:
    """Return what a kind's name means, and whether it is namespaced.

    Built-in kinds by plural or kind; others as plural.version.group ("*" in front: cluster-wide).
    """
    wanted = kind.lower()
    found: Kind | None = next(
        (k for k in _KINDS.kinds() if wanted in (k.plural, k.name.lower(), *k.short_names)), None
    )
    if found is not None:
        return found.resource, found.namespaced
    plural, version, group = wanted.lstrip("*").split(".", 2)
    return Resource(group, version, plural), not wanted.startswith("*")


class Target(abc.ABC):
    """See the module. `abilities`: of "many-nodes", "new-nodes", "metrics", "compaction"."""

    client: Client
    image = IMAGE
    abilities: frozenset[str] = frozenset()
    virtual = False

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self._outside: list[tuple[str, str]] = []  # what is in no namespace, to be removed

    # -- what each target does in its own way

    @abc.abstractmethod
    def run(self, coro: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end."""

    @abc.abstractmethod
    def holds(self, condition: Callable[[], object], within_s: float) -> bool:
        """Let time pass until a condition holds; say whether it does."""

    @abc.abstractmethod
    def now(self) -> float:
        """Return the seconds since some moment."""

    @abc.abstractmethod
    def start_watch(self, query: Query, version: str, into: Watching) -> Callable[[], None]:
        """Begin to follow; return what ends it."""

    @abc.abstractmethod
    def apply(self, *objects: Object | str) -> None:
        """Do `kubectl apply`; raises Refused."""

    @abc.abstractmethod
    def exec(self, pod: str, *argv: str, container: str = "") -> Result:
        """Run a command in a container."""

    @abc.abstractmethod
    def logs(self, pod: str, container: str = "", *, previous: bool = False) -> str:
        """Return what a container printed; raises StatusError."""

    # -- time

    def needs(self, *abilities: str) -> None:
        """Leave the case where the cluster cannot do something."""
        for ability in abilities:
            if ability not in self.abilities:
                pytest.skip(f"this cluster has no {ability}")

    def wait(self, condition: Callable[[], T], within_s: float = USUAL_S, what: object = "") -> T:
        """Wait until a condition holds; return its answer. `what` is told if it does not."""
        answers: list[T] = []

        def look() -> bool:
            answers[:] = [condition()]
            return bool(answers[0])

        if not self.holds(look, within_s):
            told = what() if callable(what) else what
            raise AssertionError(f"not within {within_s:g} s: {told or answers}")
        return answers[0]

    def never(self, condition: Callable[[], object], for_s: float) -> None:
        """Fail if a condition holds at any time in the next seconds."""
        if self.holds(condition, for_s):
            raise AssertionError("it happened")

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.holds(lambda: False, seconds)

    # -- objects

    def _place(self, kind: str, body: Object | None = None) -> tuple[Resource, str]:
        resource, namespaced = address(kind)
        own = (body or {}).get("metadata", {}).get("namespace")
        return resource, (own or self.namespace) if namespaced else ""

    def create(self, *bodies: Object, outside: bool = True) -> Object:
        """Create objects; return the last as it is then. What is cluster-wide goes after the case."""
        made: Object = {}
        for body in bodies:
            kind = body["kind"]
            if "." in body["apiVersion"] and not _known(body):
                group, version = body["apiVersion"].split("/")
                kind = f"{kind.lower()}s.{version}.{group}"
            resource, namespace = self._place(kind, body)
            made = self.run(self.client.create(resource, copy.deepcopy(body), namespace))
            if not namespace and outside:
                self._outside.append((kind, made["metadata"]["name"]))
        return made

    def get(self, kind: str, name: str, *, subresource: str = "") -> Object:
        """Return an object; raises NotFound."""
        resource, namespace = self._place(kind)
        found = self.run(self.client.get(resource, name, namespace, subresource=subresource))
        return copy.deepcopy(found)  # in process it is the server's own

    def find(self, kind: str, name: str) -> Object:
        """Return an object, or {}."""
        try:
            return self.get(kind, name)
        except NotFound:
            return {}

    def list(self, kind: str, labels: str = "", fields: str = "") -> list[Object]:
        """Return the objects of the case's namespace that match."""
        resource, namespace = self._place(kind)

        async def listed() -> list[Object]:
            query = Query(resource, namespace, labels, fields)
            return list((await self.client.list(query)).items)

        return self.run(listed())

    def names(self, kind: str, labels: str = "", fields: str = "") -> list[str]:
        """Return the sorted names of such objects."""
        return sorted(one["metadata"]["name"] for one in self.list(kind, labels, fields))

    def version(self, kind: str) -> str:
        """Return the resourceVersion of a list."""
        resource, namespace = self._place(kind)

        async def listed() -> str:
            return (await self.client.list(Query(resource, namespace))).resource_version

        return self.run(listed())

    def update(self, kind: str, body: Object, *, subresource: str = "") -> Object:
        """Replace an object."""
        resource, namespace = self._place(kind)
        return self.run(self.client.update(resource, body, namespace, subresource=subresource))

    def patch(
        self, kind: str, name: str, body: Any, *, type: PatchType = PatchType.MERGE,
        subresource: str = "", manager: str = "", force: bool = False,
    ) -> Object:  # fmt: skip
        """Patch an object, by default with a merge patch."""
        resource, namespace = self._place(kind)
        return self.run(
            self.client.patch(
                resource, name, body, namespace, type=type, subresource=subresource,
                field_manager=manager, force=force,
            )
        )  # fmt: skip

    def serve_apply(self, body: Object, manager: str = "m", *, force: bool = False) -> Object:
        """Apply on the server's side, as one manager of fields."""
        kind, name = body["kind"], body["metadata"]["name"]
        return self.patch(kind, name, body, type=PatchType.APPLY, manager=manager, force=force)

    def delete(
        self, kind: str, name: str, *, grace_s: int | None = None,
        propagation: str | None = "Background", uid: str | None = None,
    ) -> None:  # fmt: skip
        """Begin to delete an object."""
        resource, namespace = self._place(kind)
        options = DeleteOptions(grace_s, propagation, uid)
        self.run(self.client.delete(resource, name, namespace, options))

    def post(self, kind: str, name: str, subresource: str, body: Object) -> Object:
        """Post to a subresource."""
        resource, namespace = self._place(kind)
        return self.run(
            self.client.create(resource, body, namespace, name=name, subresource=subresource)
        )

    def gone(self, kind: str, name: str, within_s: float = USUAL_S) -> None:
        """Wait until an object is gone."""
        self.wait(lambda: not self.find(kind, name), within_s, f"{kind} {name} is still there")

    @contextlib.contextmanager
    def watch(
        self, kind: str, version: str | None = None, labels: str = "", fields: str = ""
    ) -> Iterator[Watching]:
        """Follow a kind in the case's namespace, from a version on (None: from now)."""
        resource, namespace = self._place(kind)
        into = Watching()
        start = self.version(kind) if version is None else version
        end = self.start_watch(Query(resource, namespace, labels, fields), start, into)
        try:
            yield into
        finally:
            end()

    # -- pods

    def pods(self, labels: str = "") -> list[Object]:
        """Return the pods that are not on their way out."""
        return [
            pod for pod in self.list("pods", labels) if "deletionTimestamp" not in pod["metadata"]
        ]

    def ready(self, *pods: str, within_s: float = USUAL_S) -> None:
        """Wait until pods are ready."""
        for name in pods:
            self.wait(
                lambda name=name: condition(self.find("pods", name), "Ready") == "True",
                within_s, lambda name=name: self._about(name),
            )  # fmt: skip

    def phase(self, pod: str, *wanted: str, within_s: float = USUAL_S) -> str:
        """Wait until a pod is in one of some phases."""

        def reached() -> str:
            now: str = self.find("pods", pod).get("status", {}).get("phase", "")
            return now if now in wanted else ""

        return self.wait(reached, within_s, lambda: self._about(pod))

    def _about(self, pod: str) -> str:
        status = self.find("pods", pod).get("status", "there is no pod")
        return f"{pod}: {status} {[e.get('message') for e in self.events(pod)]}"

    def status(self, pod: str, container: int | str = 0, key: str = "containerStatuses") -> Object:
        """Return a container's status, {} while there is none."""
        statuses: list[Object] = self.find("pods", pod).get("status", {}).get(key) or []
        if isinstance(container, str):
            return next((one for one in statuses if one["name"] == container), {})
        return statuses[container] if len(statuses) > container else {}

    def waits(self, pod: str, *reasons: str, within_s: float = USUAL_S) -> Object:
        """Wait until a pod's first container waits for one of some reasons; return its status."""

        def waiting() -> Object:
            status = self.status(pod)
            reason = status.get("state", {}).get("waiting", {}).get("reason")
            return status if reason in reasons else {}

        return self.wait(waiting, within_s, lambda: self._about(pod))

    def start(self, *pods: Object, within_s: float = USUAL_S) -> None:
        """Create pods and wait until they are ready."""
        self.create(*pods)
        self.ready(*(pod["metadata"]["name"] for pod in pods), within_s=within_s)

    def client_pod(self, name: str = "client") -> str:
        """Return a pod to ask from, started at need."""
        from parity.manifests import pod

        if not self.find("pods", name):
            self.create(pod(name))
        self.ready(name)
        return name

    def fetch(self, url: str, pod: str = "") -> Result:
        """Ask for a URL in a pod, as wget does."""
        source = pod or self.client_pod()
        return self.exec(source, "wget", "-q", "-T", "3", "-O", "-", url)

    def lookup(self, name: str, pod: str = "", type: str = "") -> Result:
        """Look a name up in a pod."""
        words = ["nslookup", f"-type={type}", name] if type else ["nslookup", name]
        return self.exec(pod or self.client_pod(), *words)

    def said(self, pod: str, container: str = "") -> str:
        """Return what a container printed so far, "" before its start."""
        try:
            return self.logs(pod, container)
        except StatusError:
            return ""

    # -- events

    def events(self, name: str) -> list[Object]:
        """Return the Events about an object."""
        return self.list("events", fields=f"involvedObject.name={name}")

    def reasons(self, name: str) -> set[str]:
        return {event["reason"] for event in self.events(name)}

    def told(self, name: str, reason: str, within_s: float = USUAL_S) -> Object:
        """Wait for an Event; return it."""

        def found() -> Object:
            return next((one for one in self.events(name) if one["reason"] == reason), {})

        return self.wait(found, within_s, lambda: self.reasons(name))

    # -- the end

    def close(self) -> None:
        """Remove what the case made."""
        for kind, name in reversed(self._outside):
            with contextlib.suppress(StatusError):
                self.delete(kind, name)
        with contextlib.suppress(StatusError):
            self.delete("namespaces", self.namespace)


def _known(body: Object) -> bool:
    group, _, version = body["apiVersion"].rpartition("/")
    return _KINDS.by_name(group, version, body["kind"]) is not None


def condition(body: Object, type: str) -> str:
    """Return the status of a condition, "" if there is none."""
    found = conditions(body).get(type, {})
    return str(found.get("status", ""))


def conditions(body: Object) -> dict[str, Object]:
    """Return the conditions by type."""
    listed: Sequence[Object] = body.get("status", {}).get("conditions") or ()
    return {one["type"]: one for one in listed}


async def follow(batches: AsyncIterator[Sequence[WatchEvent]], into: Watching) -> None:
    """Gather a watch's events until it ends."""
    try:
        async for batch in batches:
            into.events += batch
    except StatusError as error:
        into.error = error
    except asyncio.CancelledError:
        return
