"""What the API server of a simulated cluster asks of others: webhooks, extension servers, kubelets.

A Service, and a name outside that the simulation knows, are reached through the virtual network, where
there is no TLS: no certificate is checked. Any other url is called in the real world, by whoever serves
the cluster; nobody else may. Rule: what was called in the real world cannot be played again, and the
log and the record say so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from roost.apiserver.admission.webhooks.port import (
    TIMED_OUT,
    Caller,
    CallFailed,
    Endpoint,
    asked_url,
    refused,
)
from roost.apiserver.encoding import decode
from roost.apiserver.messages import Proxy
from roost.network.plan import DNS_ADDRESS
from roost.simulation.kubelets import Kubelets
from roost.simulation.machine import Machines
from roost.simulation.network.messages import (
    Fault,
    Headers,
    NotFound,
    Request,
    Reset,
    Response,
    TimedOut,
    Url,
    kernel_words,
)
from roost.simulation.network.names import Resolv
from roost.simulation.replay import Recording

_HTTPS_PORT: Final = 443
_FETCH_S: Final = 5.0
_RESOLV: Final = Resolv((DNS_ADDRESS,))
_JSON: Final[Headers] = (
    ("content-type", "application/json"),
    ("accept", "application/json, */*"),
    ("user-agent", "kube-apiserver-admission"),
)


class Outgoing:
    """webhooks.port.Caller and aggregation.remote.Fetcher of a simulated API server.

    `abroad` calls real urls; it is set while the cluster is served.
    """

    def __init__(
        self,
        machines: Machines,
        kubelets: Kubelets,
        recording: Recording,
        note: Callable[[str], None],
    ) -> None:
        self.abroad: Caller | None = None
        self._machines = machines
        self._kubelets = kubelets
        self._recording = recording
        self._note = note

    async def post(self, endpoint: Endpoint, body: bytes, timeout_s: int) -> bytes:
        """Send JSON and return the JSON that answers it. Raises CallFailed."""
        self._recording.calls += 1
        url = asked_url(endpoint, timeout_s)
        parts = urlsplit(url)
        target = endpoint.address
        if target is None and self._machines.knows(parts.hostname or ""):
            target = parts.hostname or "", parts.port or _HTTPS_PORT
        if target is None:
            return await self._post_abroad(endpoint, url, body, timeout_s)
        request = Request("POST", f"{parts.path}?{parts.query}", parts.netloc, _JSON, body)
        try:
            answer = await self._send(target, url, request, timeout_s)
        except Fault as fault:
            raise CallFailed(f'Post "{url}": {_why(fault, target)}') from None
        if not 200 <= answer.status < 300:
            raise CallFailed(refused(answer.status, answer.body))
        return answer.body

    async def _post_abroad(
        self, endpoint: Endpoint, url: str, body: bytes, timeout_s: int
    ) -> bytes:
        if self.abroad is None:
            why = "a simulated cluster without a server calls no url"
            raise CallFailed(f'Post "{url}": {why}')
        self._recording.leave(endpoint.url)
        self._note(f"outside, not replayable: POST {endpoint.url}")
        return await self.abroad.post(endpoint, body, timeout_s)

    async def fetch(self, proxy: Proxy, accept: str) -> tuple[int, Any]:
        """Return code and decoded JSON body. Raises OSError, TimeoutError or ValueError."""
        if proxy.kubelet:
            return await self._kubelets.fetch(proxy, accept)
        path = f"{proxy.path}?{proxy.query}" if proxy.query else proxy.path
        target = (proxy.host, proxy.port)
        url = f"{proxy.scheme}://{proxy.host}:{proxy.port}{path}"
        headers = tuple((name.lower(), value) for name, value in proxy.headers)
        name = proxy.extension.name if proxy.extension is not None else proxy.host
        request = Request("GET", path, name, (("accept", accept), *headers))
        try:
            answer = await self._send(target, url, request, _FETCH_S)
        except Fault as fault:
            raise ConnectionError(f'Get "{url}": {_why(fault, target)}') from fault
        body = answer.body
        return answer.status, decode(body) if body[:1] in (b"{", b"[") else None

    async def _send(
        self, target: tuple[str, int], url: str, request: Request, timeout_s: float
    ) -> Response:
        """Send a request from where the API server is. Raises Fault."""
        machines, (host, port) = self._machines, target
        address = machines.names.address(host, {}, _RESOLV)
        return await machines.fabric.request(
            machines.server, address, Url(host, port, request.path, url), request, timeout_s
        )


def _why(fault: Fault, target: tuple[str, int]) -> str:
    """Return why a request failed, in the words of the real server's client."""
    host, port = target
    match fault:
        case TimedOut():
            return TIMED_OUT
        case Reset():
            return "EOF"
        case NotFound():
            return f"dial tcp: lookup {host}: no such host"
        case _:
            return f"dial tcp {host}:{port}: connect: {kernel_words(fault)}"
