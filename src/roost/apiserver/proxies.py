"""The proxy subresources: HTTP to a pod, to an endpoint of a service, to a node's kubelet."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import quote

from roost.api.errors import BadRequest, ServiceUnavailable, not_found
from roost.api.kind import Kind, Resource
from roost.api.numerals import natural
from roost.api.validation.causes import quoted
from roost.api.values import Object
from roost.apiserver.core import Core
from roost.apiserver.messages import Proxy, Request
from roost.apiserver.requestinfo import RequestInfo
from roost.apiserver.streams import NODES, PODS, kubelet_address

_SERVICES: Final = Resource("", "v1", "services")
_SLICES: Final = Resource("discovery.k8s.io", "v1", "endpointslices")
_SERVICE_LABEL: Final = "kubernetes.io/service-name"
_SCHEMES: Final = frozenset({"", "http", "https"})


def split_name(name: str, what: str) -> tuple[str, str, str]:
    """Return scheme, name and port of `[scheme:]name[:port]`; raises BadRequest.

    `what` is asked for: a node, a pod or a service.
    """
    parts = name.split(":")
    scheme, bare, port = {
        1: ("", parts[0], ""),
        2: ("", *parts[:2]),
        3: tuple(parts[:3]),
    }.get(len(parts), ("", "", ""))
    if bare and scheme in _SCHEMES:
        return scheme, bare, port
    raise BadRequest(f"invalid {what} request {quoted(name)}")


def check_address(address: str) -> None:
    """Refuse what a proxy must never reach, such as this machine itself; raises BadRequest."""
    try:
        parsed = ip_address(address)
    except ValueError:
        raise BadRequest("address not allowed") from None
    if parsed.is_loopback or parsed.is_link_local or parsed.is_multicast or parsed.is_unspecified:
        raise BadRequest("address not allowed")


class Proxies:
    """Decides where proxied requests go."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def answer(self, kind: Kind, info: RequestInfo, request: Request) -> Proxy:
        """Return the Proxy for a request below a proxy subresource; raises StatusError."""
        scheme, name, port = split_name(info.name, kind.plural.removesuffix("s"))
        path = f"/{info.rest}"
        if info.rest and request.path.endswith("/") and not path.endswith("/"):
            path += "/"
        if kind.plural == "nodes":
            proxy = await self._node(name, port, path)
        elif kind.plural == "pods":
            proxy = await self._pod(info.namespace, name, scheme, port, path)
        else:
            proxy = await self._service(info.namespace, name, scheme, port, path)
        proxy.query = request.query
        proxy.mount = request.path[: len(request.path) - len(info.rest)].rstrip("/")
        return proxy

    async def _node(self, name: str, port: str, path: str) -> Proxy:
        node = await self._core.lookup.get(NODES, name)
        if node is None:
            raise not_found("", "nodes", name)
        host, kubelet_port = kubelet_address(node)
        if port and port != str(kubelet_port):
            check_address(host)
            return Proxy("http", host, _number(port), quote(path))
        return Proxy("https", host, kubelet_port, quote(path), kubelet=True)

    async def _pod(self, namespace: str, name: str, scheme: str, port: str, path: str) -> Proxy:
        pod = await self._core.lookup.get(PODS, name, namespace)
        if pod is None:
            raise not_found("", "pods", name)
        if not port:
            port = str(_first_port(pod) or 80)
        address = (pod.get("status") or {}).get("podIP") or ""
        check_address(address)
        return Proxy(scheme or "http", address, _number(port), quote(path))

    async def _service(self, namespace: str, name: str, scheme: str, port: str, path: str) -> Proxy:
        service = await self._core.lookup.get(_SERVICES, name, namespace)
        if service is None:
            raise not_found("", "services", name)
        found = await self._endpoint(service, namespace, name, port)
        if found is None:
            raise ServiceUnavailable(f'no endpoints available for service "{name}"')
        check_address(found[0])
        return Proxy(scheme or "http", found[0], found[1], quote(path))

    async def _endpoint(
        self, service: Object, namespace: str, name: str, port: str
    ) -> tuple[str, int] | None:
        wanted = service_port(service, name, port)
        ready: list[tuple[str, int]] = []
        for slice_ in await self._core.lookup.list(_SLICES, namespace):
            if (slice_["metadata"].get("labels") or {}).get(_SERVICE_LABEL) != name:
                continue
            ports = {p.get("name") or "": p.get("port") for p in slice_.get("ports") or ()}
            number = ports.get(wanted)
            if number is None:
                continue
            for endpoint in slice_.get("endpoints") or ():
                if (endpoint.get("conditions") or {}).get("ready") is not False:
                    ready += [(address, number) for address in endpoint["addresses"]]
        if not ready:
            return None
        return ready[int(self._core.chance.uniform() * len(ready)) % len(ready)]


def service_port(service: Object, name: str, port: str) -> str:
    """Return the name of the service's port that a request means; raises ServiceUnavailable.

    A port without a name is meant by none, or by its number.
    """
    number = natural(port)
    if number is None:
        return port
    for candidate in service["spec"].get("ports") or ():
        if candidate.get("port") == number:
            return candidate.get("name") or ""
    raise ServiceUnavailable(f'no service port {number} found for service "{name}"')


def _first_port(pod: Object) -> int | None:
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            number: int = port["containerPort"]
            return number
    return None


def _number(port: str) -> int:
    number = natural(port)
    if number is None or not 0 < number < 65536:
        raise BadRequest(f'invalid port "{port}"')
    return number
