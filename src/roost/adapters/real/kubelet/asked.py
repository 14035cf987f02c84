"""What a request to a kubelet means: its path, its streams, and why a container is not there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aiohttp import web

from roost.adapters.real.kubelet.sessions import Wanted, is_spdy, is_websocket
from roost.api.values import Object

_WAITING_WORDS: Final = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


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


def waits_for(pods: Iterable[Object], namespace: str, pod: str, container: str) -> str:
    """Return why a container has not been started yet, in the words of `kubectl logs`."""
    for one in pods:
        metadata, status = one["metadata"], one.get("status") or {}
        if (metadata.get("namespace"), metadata["name"]) == (namespace, pod):
            for kind in ("initContainerStatuses", "containerStatuses"):
                for known in status.get(kind) or ():
                    waiting: Object = known.get("state", {}).get("waiting") or {}
                    reason = str(waiting.get("reason", ""))
                    if known["name"] == container and reason:
                        return _WAITING_WORDS.get(reason, reason)
    return "ContainerCreating"
