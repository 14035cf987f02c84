"""What a request to a kubelet means: its path and its streams."""

from __future__ import annotations

from aiohttp import web

from roost.adapters.real.kubelet.sessions import Wanted, is_spdy, is_websocket


def container_path(parts: list[str]) -> tuple[str, str, str]:
    """Return namespace, pod and container; paths may have the pod's uid before the container."""
    if len(parts) == 4:
        parts = [parts[0], parts[1], parts[3]]
    if len(parts) != 3:
        raise web.HTTPNotFound(text="404 page not found\n")
    return parts[0], parts[1], parts[2]


def needs_upgrade(request: web.BaseRequest) -> None:
    """Refuse a request that asks for no other protocol; raises HTTPBadRequest."""
    if not is_websocket(request) and not is_spdy(request):
        raise web.HTTPBadRequest(text="Upgrade request required")


def wanted_of(request: web.BaseRequest) -> Wanted:
    """Return the streams that a request wants; raises HTTPBadRequest."""
    needs_upgrade(request)
    wanted = Wanted(request)
    if not wanted.any():
        raise web.HTTPBadRequest(text="you must specify at least 1 of stdin, stdout, stderr")
    return wanted
