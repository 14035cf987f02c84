"""A load client in a process of its own: raw HTTP/1.1 over TLS, so that it never limits the server.

    python -m benchmarks.load SERVER TOKEN CACERT COMMAND [ARGUMENTS]

Answers are not parsed further than where they end. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import uvloop


class Connection(asyncio.Protocol):
    """One keep-alive connection: a request at a time, its answer counted to the last byte."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[int] | None = None
        self._head = b""
        self._left = -1
        self._status = 0
        self._chunked = False
        self._end = b""
        self.stream: Callable[[bytes], None] | None = None
        #: Where the parts of an answer's body go, if anybody wants them.
        self.body: list[bytes] | None = None
        self.first_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())

    def data_received(self, data: bytes) -> None:
        if self.stream is not None:
            self.stream(data)
            return
        if self._left < 0:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            head, data = self._head[:end].lower(), self._head[end + 4 :]
            self._status = int(head[9:12])
            self._chunked = b"transfer-encoding: chunked" in head
            if self._chunked:
                self._left = 1
            else:
                start = head.index(b"content-length:") + 15
                stop = head.find(b"\r\n", start)
                self._left = int(head[start : stop if stop > 0 else None])
            self._head = b""
        if data and not self.first_at:
            self.first_at = time.perf_counter()
        if self.body is not None:
            self.body.append(data)
        if self._chunked:
            self._end = (self._end + data)[-5:]
            self._left = 0 if self._end == b"0\r\n\r\n" else 1
        else:
            self._left -= len(data)
        if self._left <= 0 and self._answer is not None:
            answer, self._answer, self._left = self._answer, None, -1
            answer.set_result(self._status)

    def ask(self, request: bytes) -> asyncio.Future[int]:
        assert self.transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._end, self.first_at = b"", 0.0
        self.transport.write(request)
        return self._answer


class Load:
    """Requests to one server."""

    def __init__(self, server: str, token: str, cacert: str) -> None:
        parts = urlsplit(server)
        self.host, self.port = parts.hostname or "", parts.port or 443
        self.head = (
            f"Host: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
            "Accept: application/json\r\nUser-Agent: load\r\n"
        )
        self.context = ssl.create_default_context(cafile=cacert)

    async def connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            Connection, self.host, self.port, ssl=self.context, server_hostname=self.host
        )
        return connection

    def get(self, path: str, extra: str = "") -> bytes:
        return f"GET {path} HTTP/1.1\r\n{self.head}{extra}\r\n".encode()

    def post(self, path: str, body: bytes) -> bytes:
        return self.send("POST", path, body)

    def send(self, verb: str, path: str, body: bytes, media: str = "application/json") -> bytes:
        head = f"{verb} {path} HTTP/1.1\r\n{self.head}Content-Type: {media}\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def spread(
        self, connections: int, count: int, request: Callable[[int], bytes], expect: int
    ) -> float:
        """Send `count` requests over some connections; return the seconds it took."""
        opened = await asyncio.gather(*(self.connect() for _ in range(connections)))
        numbers = iter(range(count))

        async def lane(connection: Connection) -> None:
            for number in numbers:
                status = await connection.ask(request(number))
                if status != expect:
                    raise SystemExit(f"the server answered {status}")

        started = time.perf_counter()
        await asyncio.gather(*(lane(connection) for connection in opened))
        return time.perf_counter() - started


def pod(name: str) -> bytes:
    """A pod of about 4 kB as a server returns it."""
    container = {
        "name": "main",
        "image": "registry.example/shop/web:1.2.3",
        "command": ["/bin/server", "--port=8080"],
        "env": [{"name": f"SETTING_{n}", "value": f"value number {n}"} for n in range(12)],
        "ports": [{"name": "http", "containerPort": 8080}],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/web"}],
    }
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "web", "tier": "front", "bench": "pods"}},
        "spec": {
            "nodeName": "node-of-the-benchmark",
            "containers": [container],
            "volumes": [{"name": "config", "configMap": {"name": "web"}}],
        },
    }
    return json.dumps(body).encode()


def small_pod(name: str) -> bytes:
    """A pod with one of everything that is usual; the original's writes were measured with its like."""
    reference = {"fieldRef": {"fieldPath": "metadata.name"}}
    container = {
        "name": "main",
        "image": "registry.example/shop/web:1.2.3",
        "env": [{"name": "LEVEL", "value": "info"}, {"name": "NAME", "valueFrom": reference}],
        "ports": [{"containerPort": 8080}],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}},
    }
    labels, notes = {"app": "web", "tier": "front"}, {"example.com/note": "of the benchmark"}
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels, "annotations": notes},
        "spec": {"schedulerName": "nobody", "containers": [container]},
    }
    return json.dumps(body).encode()


def config_map(name: str) -> bytes:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    return json.dumps({**body, "data": {"key": "v" * 256}}).encode()


def card(name: str) -> bytes:
    """A custom resource of the size of `config_map`; see benchmarks.api.CARDS."""
    body = {"apiVersion": "bench.example.com/v1", "kind": "Card", "metadata": {"name": name}}
    return json.dumps({**body, "spec": {"key": "v" * 256}}).encode()


_BODIES = {"pod": small_pod, "large-pod": pod, "configmap": config_map, "card": card}


def path_of(kind: str, namespace: str) -> str:
    root = "/apis/bench.example.com/v1" if kind == "card" else "/api/v1"
    return f"{root}/namespaces/{namespace}/{kind.removeprefix('large-')}s"


async def create(load: Load, kind: str, namespace: str, count: int, connections: int) -> dict:
    path = path_of(kind, namespace)
    bodies = [load.post(path, _BODIES[kind](f"o{number}")) for number in range(count)]
    seconds = await load.spread(connections, count, bodies.__getitem__, 201)
    return {"per_s": count / seconds, "seconds": seconds}


async def latency(load: Load, kind: str, namespace: str, count: int) -> dict:
    """Create one object after another over one connection."""
    path = path_of(kind, namespace)
    connection = await load.connect()
    times = []
    for number in range(count):
        request = load.post(path, _BODIES[kind](f"l{number}"))
        times.append(await timed(connection, request, 201))
    return spread_of(times)


async def timed(connection: Connection, request: bytes, expect: int) -> float:
    """Return the milliseconds until the whole answer is there."""
    started = time.perf_counter()
    status = await connection.ask(request)
    if status != expect:
        raise SystemExit(f"the server answered {status}")
    return 1000 * (time.perf_counter() - started)


def spread_of(times: list[float]) -> dict:
    times = sorted(times)
    return {"p50_ms": times[len(times) // 2], "max_ms": times[-1]}


def status(turn: int) -> bytes:
    """A status patch like that of a node agent, another one every turn."""
    conditions = [
        {"type": kind, "status": "True" if turn % 2 else "False"}
        for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
    ]
    container = {
        "name": "main", "ready": bool(turn % 2), "restartCount": turn, "image": "web:1.2.3",
        "imageID": "web@sha256:1", "state": {"running": {"startedAt": "2030-01-02T03:04:05Z"}},
    }  # fmt: skip
    body = {"phase": "Running", "podIP": "10.0.0.7", "conditions": conditions}
    return json.dumps({"status": {**body, "containerStatuses": [container]}}).encode()


def patch_of(load: Load, namespace: str, pods: int, number: int) -> bytes:
    path = f"/api/v1/namespaces/{namespace}/pods/o{number % pods}/status"
    media = "application/strategic-merge-patch+json"
    return load.send("PATCH", path, status(number // pods + 1), media)


async def patch(load: Load, namespace: str, pods: int, count: int, connections: int) -> dict:
    """Patch the status of each of the pods in turn."""
    seconds = await load.spread(
        connections, count, lambda number: patch_of(load, namespace, pods, number), 200
    )
    return {"per_s": count / seconds, "seconds": seconds}


async def patch_latency(load: Load, namespace: str, pods: int, count: int) -> dict:
    connection = await load.connect()
    requests = (patch_of(load, namespace, pods, number) for number in range(count))
    return spread_of([await timed(connection, request, 200) for request in requests])


async def update(load: Load, namespace: str, pods: int, count: int, connections: int) -> dict:
    """Replace each of the pods in turn, with another label every turn."""

    def request(number: int) -> bytes:
        name = f"o{number % pods}"
        body = json.loads(small_pod(name))
        body["metadata"]["labels"]["turn"] = str(number // pods + 1)
        # What a pod may not change any more: the server's defaults and admission filled it in.
        body["spec"] = specs[number % pods]
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        return load.send("PUT", path, json.dumps(body).encode())

    connection = await load.connect()
    listed = json.loads(await body_of(connection, load, f"/api/v1/namespaces/{namespace}/pods"))
    found = {item["metadata"]["name"]: item["spec"] for item in listed["items"]}
    specs = [found[f"o{number}"] for number in range(pods)]
    seconds = await load.spread(connections, count, request, 200)
    return {"per_s": count / seconds, "seconds": seconds}


async def body_of(connection: Connection, load: Load, path: str) -> bytes:
    connection.body = []
    await connection.ask(load.get(path))
    return b"".join(connection.body)


async def get(load: Load, kind: str, namespace: str, count: int, connections: int) -> dict:
    request = load.get(f"{path_of(kind, namespace)}/o7")
    seconds = await load.spread(connections, count, lambda _: request, 200)
    return {"per_s": count / seconds, "seconds": seconds}


async def list_pods(load: Load, namespace: str, count: int, encoding: str = "") -> dict:
    connection = await load.connect()
    extra = f"Accept-Encoding: {encoding}\r\n" if encoding else ""
    request = load.get(f"/api/v1/namespaces/{namespace}/pods", extra)
    times, firsts = [], []
    for _ in range(count + 1):
        started = time.perf_counter()
        times.append(await timed(connection, request, 200))
        firsts.append(1000 * (connection.first_at - started))
    first = sorted(firsts[1:])[len(firsts[1:]) // 2]
    return {**spread_of(times[1:]), "first_byte_ms": first}


async def watch(load: Load, namespace: str, watchers: int, objects: int, connections: int) -> dict:
    """Open watches, create objects, and wait until every watcher has seen every object."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    left = watchers * objects
    done = asyncio.get_running_loop().create_future()

    def follow(connection: Connection) -> None:
        tail = b""

        def data(chunk: bytes) -> None:
            nonlocal left, tail
            text = tail + chunk
            left -= text.count(b'"ADDED"')
            tail = text[-6:]  # shorter than the mark, so nothing is counted twice
            if left <= 0 and not done.done():
                done.set_result(None)

        connection.stream = data
        assert connection.transport is not None
        connection.transport.write(load.get(f"{path}?watch=1&resourceVersion=0"))

    opened = []
    for start in range(0, watchers, 50):
        some = range(start, min(watchers, start + 50))
        opened += await asyncio.gather(*(load.connect() for _ in some))
    for connection in opened:
        follow(connection)
    await asyncio.sleep(1.5)
    bodies = [load.post(path, config_map(f"w{number}")) for number in range(objects)]
    started = time.perf_counter()
    await load.spread(connections, objects, bodies.__getitem__, 201)
    async with asyncio.timeout(120):
        await done
    seconds = time.perf_counter() - started
    return {"events_per_s": watchers * objects / seconds, "seconds": seconds}


def node(name: str) -> bytes:
    """A large node that is ready."""
    sizes = {"cpu": "64", "memory": "256Gi", "pods": "250"}
    body = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {
            "capacity": sizes,
            "allocatable": sizes,
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        },
    }
    return json.dumps(body).encode()


def deployment(name: str, replicas: int) -> bytes:
    labels = {"app": name}
    resources = {"requests": {"cpu": "10m", "memory": "16Mi"}}
    containers = [{"name": "main", "image": "web:1", "resources": resources}]
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
    }
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    return json.dumps(body).encode()


async def nodes(load: Load, count: int) -> dict:
    """Register nodes that nobody runs."""
    connection = await load.connect()
    for number in range(count):
        body = node(f"n{number}")
        for request, expect in (
            (load.post("/api/v1/nodes", body), 201),
            (load.send("PUT", f"/api/v1/nodes/n{number}/status", body), 200),
        ):
            await timed(connection, request, expect)
    return {"nodes": count}


async def bind(load: Load, namespace: str, name: str, replicas: int) -> dict:
    """Create a Deployment; return how long it takes until all its pods have a node."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    watching, asking = await load.connect(), await load.connect()
    bound: set[str] = set()
    done = asyncio.get_running_loop().create_future()
    rest = b""

    def data(chunk: bytes) -> None:
        nonlocal rest
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if b'"nodeName":"' not in line:
                continue
            event = json.loads(line)["object"]
            if event["metadata"]["name"].startswith(f"{name}-") and event["spec"].get("nodeName"):
                bound.add(event["metadata"]["name"])
        if len(bound) >= replicas and not done.done():
            done.set_result(time.perf_counter())

    watching.stream = data
    assert watching.transport is not None
    watching.transport.write(load.get(f"{path}?watch=1&resourceVersion=0"))
    await asyncio.sleep(0.3)
    target = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    started = time.perf_counter()
    await timed(asking, load.post(target, deployment(name, replicas)), 201)
    async with asyncio.timeout(120):
        ended = await done
    return {"seconds": ended - started}


_COMMANDS: dict[str, Callable[..., Awaitable[dict]]] = {
    "create": create,
    "get": get,
    "latency": latency,
    "patch": patch,
    "patch_latency": patch_latency,
    "update": update,
    "list": list_pods,
    "watch": watch,
    "nodes": nodes,
    "bind": bind,
}


def main() -> None:
    server, token, cacert, command, *rest = sys.argv[1:]
    arguments = [int(text) if text.isdigit() else text for text in rest]
    load = Load(server, token, cacert)
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(uvloop.run(_COMMANDS[command](load, *arguments))))


if __name__ == "__main__":
    main()
