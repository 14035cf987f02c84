"""Logs, exec, attach, port-forward: which kubelet the request goes to, and as what.

The core only decides; a `Proxy` says where to, and the HTTP shell carries the bytes.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

from roost.api.errors import BadRequest, Cause, ServiceUnavailable, not_found
from roost.api.errors import invalid as invalid_object
from roost.api.kind import Resource
from roost.api.numerals import whole
from roost.api.values import Object
from roost.apiserver.core import Core
from roost.apiserver.failures import bad_integer
from roost.apiserver.messages import Answer, Proxy, Request, Response

PODS: Final = Resource("", "v1", "pods")
NODES: Final = Resource("", "v1", "nodes")
#: Subresources of pods that need the kubelet.
STREAMS: Final = frozenset({"log", "exec", "attach", "portforward"})
#: Those that take over the connection: with a WebSocket they come as GET, and need `create` too.
UPGRADES: Final = frozenset({"exec", "attach", "portforward"})
KUBELET_PORT: Final = 10250
_ADDRESS_TYPES: Final = ("InternalIP", "ExternalIP", "Hostname")
_CONTAINER_LISTS: Final = ("containers", "initContainers", "ephemeralContainers")
#: Parameter of the API -> parameter of the kubelet.
_FLAGS: Final = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
_LOG_PARAMETERS: Final = (
    "follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes",
    "stream", "insecureSkipTLSVerifyBackend",
)  # fmt: skip
_TRUE: Final = frozenset({"true", "1"})


def kubelet_address(node: Object) -> tuple[str, int]:
    """Return host and port of a node's kubelet; raises ServiceUnavailable when it has no address."""
    status = node.get("status") or {}
    addresses = status.get("addresses") or ()
    endpoint = (status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}
    for wanted in _ADDRESS_TYPES:
        for address in addresses:
            if address.get("type") == wanted:
                return address["address"], endpoint.get("Port") or KUBELET_PORT
    name = node["metadata"]["name"]
    raise ServiceUnavailable(f"no preferred addresses found; known addresses: [] of node {name}")


def container_names(pod: Object, key: str) -> list[str]:
    return [container["name"] for container in pod["spec"].get(key) or ()]


def chosen_container(pod: Object, wanted: str) -> str:
    """Return the container that a request means; raises BadRequest in the real server's words."""
    name = pod["metadata"]["name"]
    if wanted:
        for key in _CONTAINER_LISTS:
            if wanted in container_names(pod, key):
                return wanted
        raise BadRequest(f"container {wanted} is not valid for pod {name}")
    main = container_names(pod, "containers")
    if len(main) == 1:
        return main[0]
    text = f"a container name must be specified for pod {name}"
    if main:
        text += f", choose one of: [{' '.join(main)}]"
        inits = container_names(pod, "initContainers")
        debuggers = container_names(pod, "ephemeralContainers")
        if inits:
            text += f" or one of the init containers: [{' '.join(inits)}]"
        if debuggers:
            text += f" or one of the ephemeral containers: [{' '.join(debuggers)}]"
    raise BadRequest(text)


def _integer(query: dict[str, str], key: str) -> int | None:
    text = query.get(key)
    if text is None or text == "":
        return None
    number = whole(text)
    if number is None:
        raise bad_integer(text)
    return number


def check_log_options(name: str, query: dict[str, str]) -> None:
    """Check the parameters of a log request; raises Invalid."""
    causes: list[Cause] = []

    def refuse(field: str, value: object, why: str) -> None:
        causes.append(Cause("FieldValueInvalid", f"Invalid value: {value}: {why}", field))

    tail = _integer(query, "tailLines")
    if tail is not None and tail < 0:
        refuse("tailLines", tail, "must be greater than or equal to 0")
    limit = _integer(query, "limitBytes")
    if limit is not None and limit < 1:
        refuse("limitBytes", limit, "must be greater than 0")
    seconds = _integer(query, "sinceSeconds")
    if seconds is not None and query.get("sinceTime"):
        text = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
        causes.append(Cause("FieldValueForbidden", text, ""))
    elif seconds is not None and seconds < 1:
        refuse("sinceSeconds", seconds, "must be greater than 0")
    stream = query.get("stream") or "All"
    if stream not in {"All", "Stdout", "Stderr"}:
        text = f'Unsupported value: "{stream}": supported values: "All", "Stderr", "Stdout"'
        causes.append(Cause("FieldValueNotSupported", text, "stream"))
    if stream != "All" and tail is not None:
        text = "Forbidden: `tailLines` and specific `stream` are mutually exclusive for now"
        causes.append(Cause("FieldValueForbidden", text, ""))
    if causes:
        raise invalid_object("", "PodLogOptions", name, causes)


class Streams:
    """Decides where the streams of pods come from."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def answer(
        self, subresource: str, namespace: str, name: str, request: Request, query: dict[str, str]
    ) -> Response:
        """Return the Proxy for a stream of a pod; raises StatusError."""
        pod = await self._core.lookup.get(PODS, name, namespace)
        if pod is None:
            raise not_found("", "pods", name)
        if subresource == "log":
            return await self._log(pod, namespace, name, query)
        if subresource == "portforward":
            path, container = "portForward", ""
        else:
            path, container = subresource, chosen_container(pod, query.get("container", ""))
        node = pod["spec"].get("nodeName")
        if not node:
            raise BadRequest(f"pod {name} does not have a host assigned")
        place = f"/{path}/{namespace}/{name}" + (f"/{container}" if container else "")
        return await self._to(node, place, _stream_query(subresource, request.query))

    async def _log(self, pod: Object, namespace: str, name: str, query: dict[str, str]) -> Response:
        check_log_options(name, query)
        container = chosen_container(pod, query.get("container", ""))
        node = pod["spec"].get("nodeName")
        if not node:
            return Answer(204, b"", "")
        wanted = [(key, query[key]) for key in _LOG_PARAMETERS if query.get(key)]
        return await self._to(
            node, f"/containerLogs/{namespace}/{name}/{container}", urlencode(wanted)
        )

    async def _to(self, node_name: str, path: str, query: str) -> Proxy:
        node = await self._core.lookup.get(NODES, node_name)
        if node is None:
            raise not_found("", "nodes", node_name)
        host, port = kubelet_address(node)
        return Proxy("https", host, port, quote(path), query, kubelet=True)


def _stream_query(subresource: str, query: str) -> str:
    """Return the kubelet's parameters for those of the API."""
    wanted: list[tuple[str, str]] = []
    for key, value in parse_qsl(query, keep_blank_values=True):
        if subresource == "portforward":
            if key == "ports":
                wanted += [("port", port) for port in value.split(",")]
        elif key in _FLAGS:
            if value.lower() in _TRUE:
                wanted.append((_FLAGS[key], "1"))
        elif key == "command" and subresource == "exec":
            wanted.append((key, value))
    return urlencode(wanted)
