"""Extension servers: where requests for their group versions go, and whether they can be had.

An APIService with a service reference stands for one. Requests are passed on through the service's
endpoints, with the asker's name in headers that the extension server believes because of the certificate
that this server shows. What the servers have is merged into discovery as they said when last asked.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote

from roost.api.kind import Resource
from roost.api.values import Object
from roost.apiserver.admission.port import Lookup
from roost.apiserver.aggregation.local import condition
from roost.apiserver.aggregation.merging import Elsewhere
from roost.apiserver.attributes import User
from roost.apiserver.messages import TEXT, Answer, Extension, Proxy, Request
from roost.ports.port import Chance

_SERVICES: Final = Resource("", "v1", "services")
_SLICES: Final = Resource("discovery.k8s.io", "v1", "endpointslices")
_OPENAPI: Final = "/openapi/v3/apis/"
_OPENAPI_V2: Final = "/openapi/v2"
_OK: Final = 200
_NOTHING: Final[Object] = {}
_APIS: Final = "/apis/"
_NO_SNIFFING: Final = (("X-Content-Type-Options", "nosniff"),)
_SERVICE_LABEL: Final = "kubernetes.io/service-name"

#: The names of the headers that carry who asks.
USER_HEADER: Final = "X-Remote-User"
UID_HEADER: Final = "X-Remote-Uid"
GROUP_HEADER: Final = "X-Remote-Group"
EXTRA_PREFIX: Final = "X-Remote-Extra-"


class Fetcher(Protocol):
    """Gets a document of an extension server; see roost.apiserver.http.proxying."""

    async def fetch(self, proxy: Proxy, accept: str) -> tuple[int, Any]:
        """Return code and decoded JSON body; raises OSError or TimeoutError."""
        ...


class Unreachable(Exception):
    """There is no way to an extension server; `reason` is that of its condition."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class Remote:
    """One group version at an extension server."""

    group: str
    version: str
    namespace: str
    service: str
    port: int
    ca: str  # PEM; "" with `insecure`
    insecure: bool
    priority: int
    rank: int

    @property
    def path(self) -> str:
        return f"/apis/{self.group}/{self.version}"

    @property
    def server_name(self) -> str:
        """The name that the extension server's certificate must have."""
        return f"{self.service}.{self.namespace}.svc"


def remote_of(service: Object) -> Remote:
    """Return an APIService with a service reference, read."""
    spec = service["spec"]
    reference = spec["service"]
    bundle = spec.get("caBundle") or ""
    return Remote(
        spec.get("group", ""),
        spec["version"],
        reference["namespace"],
        reference["name"],
        reference.get("port", 443),
        b64decode(bundle).decode("utf-8", "replace") if bundle else "",
        bool(spec.get("insecureSkipTLSVerify")),
        spec.get("groupPriorityMinimum", 0),
        spec.get("versionPriority", 0),
    )


def identity_headers(user: User) -> tuple[tuple[str, str], ...]:
    """Return the headers that tell an extension server who asks."""
    headers = [(USER_HEADER, user.name)]
    if user.uid:
        headers.append((UID_HEADER, user.uid))
    headers += [(GROUP_HEADER, group) for group in user.groups]
    for key, values in user.extra.items():
        headers += [(EXTRA_PREFIX + quote(key, safe=""), value) for value in values]
    return tuple(headers)


class Remotes:
    """The extension servers of a cluster."""

    def __init__(self, lookup: Lookup, chance: Chance, fetcher: Fetcher | None) -> None:
        self._lookup = lookup
        self._chance = chance
        self._fetcher = fetcher
        self._remotes: dict[tuple[str, str], Remote] = {}
        #: The resource lists of those that answered when they were last asked.
        self._available: dict[tuple[str, str], Object] = {}
        #: The OpenAPI v2 documents of those.
        self._described: dict[tuple[str, str], Object] = {}
        self._changed = asyncio.Event()
        #: Grows with every change of what is to be had.
        self.revision = 0

    def use(self, services: Iterable[Object]) -> None:
        """Pass requests on to these from now on."""
        found = {(r.group, r.version): r for r in map(remote_of, services)}
        if found == self._remotes:
            return
        self._remotes = found
        self._available = {key: value for key, value in self._available.items() if key in found}
        self.revision += 1
        self._changed.set()

    def __bool__(self) -> bool:
        return bool(self._remotes)

    def unavailable(self) -> dict[tuple[str, str], bool]:
        """Say of each group version whether its server did not answer when it was last asked."""
        return {key: key not in self._available for key in self._remotes}

    def find(self, group: str, version: str) -> Remote | None:
        return self._remotes.get((group, version))

    def of_document(self, path: str) -> Remote | None:
        """Return the extension server that has the document at a path: OpenAPI (v3), if it answers,
        or its resources, if it does not (those of the others are known)."""
        described = path.startswith(_OPENAPI)
        parts = path.removeprefix(_OPENAPI if described else _APIS).rstrip("/").split("/")
        if len(parts) != 2 or not path.startswith((_OPENAPI, _APIS)):
            return None
        remote = self.find(*parts)
        return remote if ((parts[0], parts[1]) in self._available) is described else None

    def elsewhere(self) -> list[Elsewhere]:
        """Return what extension servers have, for discovery; also of those that do not answer."""
        return [
            Elsewhere(
                remote.group,
                remote.version,
                self._available.get(key, {}),
                remote.priority,
                remote.rank,
                described=key in self._available,
                available=key in self._available,
                openapi=self._described.get(key, _NOTHING) if key in self._available else _NOTHING,
            )
            for key, remote in self._remotes.items()
        ]

    async def wait(self, at_most_s: float) -> None:
        """Return when the extension servers have changed since the last time; after a while even if
        they have not, unless there are none."""
        try:
            async with asyncio.timeout(at_most_s if self._remotes else None):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()

    async def proxy(self, remote: Remote, request: Request) -> Proxy | Answer:
        """Return where a request goes, or that its server cannot be had."""
        try:
            return await self._way(remote, request.raw_path, request.query, request.user)
        except Unreachable:
            return Answer(503, b"service unavailable\n", TEXT, _NO_SNIFFING)

    async def _way(self, remote: Remote, path: str, query: str, user: User) -> Proxy:
        host, port = await self._endpoint(remote)
        known_by = Extension(remote.server_name, "" if remote.insecure else remote.ca)
        return Proxy(
            "https", host, port, path, query, headers=identity_headers(user), extension=known_by
        )

    async def _endpoint(self, remote: Remote) -> tuple[str, int]:
        """Return an address and port behind a service. Raises Unreachable."""
        name, namespace = remote.service, remote.namespace
        where = f'service/{name} in "{namespace}"'
        service = await self._lookup.get(_SERVICES, name, namespace)
        if service is None:
            raise Unreachable("ServiceNotFound", f"{where} is not present")
        if service["spec"].get("type") == "ExternalName":
            return service["spec"]["externalName"], remote.port
        ports = service["spec"].get("ports") or ()
        wanted = next((p for p in ports if p.get("port") == remote.port), None)
        if wanted is None:
            text = f"{where} is not listening on port {remote.port}"
            raise Unreachable("ServicePortError", text)
        ready: list[tuple[str, int]] = []
        for piece in await self._lookup.list(_SLICES, namespace):
            if (piece["metadata"].get("labels") or {}).get(_SERVICE_LABEL) != name:
                continue
            numbers = {p.get("name") or "": p.get("port") for p in piece.get("ports") or ()}
            number = numbers.get(wanted.get("name") or "")
            if number is None:
                continue
            for endpoint in piece.get("endpoints") or ():
                if (endpoint.get("conditions") or {}).get("ready") is not False:
                    ready += [(address, number) for address in endpoint["addresses"]]
        if not ready:
            port = wanted.get("name") or ""
            text = f'endpoints for {where} have no addresses with port name "{port}"'
            raise Unreachable("MissingEndpoints", text)
        return ready[int(self._chance.uniform() * len(ready)) % len(ready)]

    # -- availability and documents

    async def check(self, service: Object) -> Object:
        """Return the Available condition of an APIService, by asking its server."""
        remote = remote_of(service)
        key = (remote.group, remote.version)
        try:
            resources = await self._resources(remote)
        except Unreachable as error:
            found = condition(error.reason, error.message, available=False)
        except (OSError, TimeoutError, ValueError) as error:
            text = _failing(str(error) or type(error).__name__)
            found = condition("FailedDiscoveryCheck", text, available=False)
        else:
            found = condition("Passed", "all checks passed")
        before = self._available.pop(key, None)
        if found["status"] == "True" and key in self._remotes:
            self._available[key] = resources if isinstance(resources, dict) else {}
        if before != self._available.get(key):
            self.revision += 1
            self._described.pop(key, None)
        return found

    async def describe(self, service: Object) -> None:
        """Ask an extension server that is new, or has changed, for its OpenAPI document."""
        remote = remote_of(service)
        key = (remote.group, remote.version)
        if key in self._described or key not in self._available:
            return
        self._described[key] = _NOTHING
        try:
            code, document = await self._get(remote, _OPENAPI_V2)
        except (Unreachable, OSError, TimeoutError, ValueError):
            return  # nobody has to have one
        if code == _OK and isinstance(document, dict) and key in self._described:
            self._described[key] = document
            self.revision += 1

    async def _resources(self, remote: Remote) -> Any:
        code, resources = await self._get(remote, remote.path)
        if not 200 <= code < 300:
            text = f"bad status from {remote.path}: {code}"
            raise Unreachable("FailedDiscoveryCheck", _failing(text))
        return resources

    async def _get(self, remote: Remote, path: str, accept: str = "application/json") -> Any:
        if self._fetcher is None:
            raise Unreachable("FailedDiscoveryCheck", _failing("this server has no way out"))
        return await self._fetcher.fetch(await self._way(remote, path, "", _SERVER), accept)


_SERVER: Final = User("system:kube-aggregator", ("system:masters",))


def _failing(why: str) -> str:
    return f"failing or missing response: {why}"
