"""A cluster behind a kubeconfig as a Target: any cluster, over HTTP; `kubectl apply` is kubectl itself.

One loop in a thread serves all cases, which run in threads of their own: most of their time is waiting.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from parity.target import Object, Refused, Result, Target, Watching, follow
from roost.api.errors import NotFound, from_status
from roost.client.http import HttpClient, path_of
from roost.client.kubeconfig import load_kubeconfig
from roost.client.port import Query
from roost.decisions.resources import NODES, PODS

T = TypeVar("T")
_POLL_S = 0.1
_ANSWER_S = 60.0


class Connected:
    """One cluster, shared by its cases. `enter` is called first in the loop's thread: it may move it
    into a network namespace; `prefix` is put before kubectl's command line for the same end."""

    def __init__(
        self, kubeconfig: Path, image: str, *, prefix: Sequence[str] = (),
        enter: Callable[[], None] = lambda: None, abilities: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        self.kubeconfig = kubeconfig
        self.image = image
        self.prefix = list(prefix)
        self.client = HttpClient(load_kubeconfig(kubeconfig), "roost-parity")
        self.loop = asyncio.new_event_loop()
        self._enter = enter
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self.run(self.client.__aenter__())
        nodes = self.run(self.client.list(Query(NODES))).items
        many = {"many-nodes"} if len(nodes) > 1 else set()
        self.abilities = frozenset({*abilities, *many})

    def _serve(self) -> None:
        self._enter()
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def run(self, coro: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coro, self.loop).result(_ANSWER_S)

    def close(self) -> None:
        self.run(self.client.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)


class Real(Target):
    """See the module."""

    def __init__(self, cluster: Connected, name: str) -> None:
        super().__init__(f"{name[:40].strip('-')}-{uuid.uuid4().hex[:6]}")
        self._cluster = cluster
        self.client = cluster.client
        self.image = cluster.image
        self.abilities = cluster.abilities

    def run(self, coro: Coroutine[Any, Any, T]) -> T:
        return self._cluster.run(coro)

    def holds(self, condition: Callable[[], object], within_s: float) -> bool:
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def now(self) -> float:
        return time.monotonic()

    def start_watch(self, query: Query, version: str, into: Watching) -> Callable[[], None]:
        coro = follow(self.client.watch(query, version), into)
        future = asyncio.run_coroutine_threadsafe(coro, self._cluster.loop)
        return lambda: (future.cancel(), None)[1]

    def apply(self, *objects: Object | str) -> None:
        text = "\n---\n".join(one if isinstance(one, str) else json.dumps(one) for one in objects)
        argv = ["kubectl", "--kubeconfig", str(self._cluster.kubeconfig), "-n", self.namespace]
        done = subprocess.run(
            [*self._cluster.prefix, *argv, "apply", "-f", "-"],
            input=text, capture_output=True, text=True, timeout=_ANSWER_S, check=False,
        )  # fmt: skip
        if done.returncode:
            raise Refused(done.stderr)

    def exec(self, pod: str, *argv: str, container: str = "") -> Result:
        return self.run(self._exec(pod, argv, container))

    async def _exec(self, pod: str, argv: Sequence[str], container: str) -> Result:
        parameters = [("command", word) for word in argv]
        parameters += [("stdout", "true"), ("stderr", "true")]
        if container:
            parameters.append(("container", container))
        path = path_of(PODS, self.namespace, pod, "exec")
        said, code = {1: b"", 2: b""}, 0
        try:
            async with self.client.upgrade(path, parameters, "v5.channel.k8s.io") as socket:
                async for message in socket:
                    if message.type != aiohttp.WSMsgType.BINARY or not message.data:
                        continue
                    channel, data = message.data[0], message.data[1:]
                    if channel == 3:
                        code = _exit_code(json.loads(data))
                    elif channel in said:
                        said[channel] += data
        except aiohttp.WSServerHandshakeError as error:
            raise NotFound(f"exec in {pod}: the server answered {error.status}") from error
        return Result(code, said[1].decode(), said[2].decode())

    def logs(self, pod: str, container: str = "", *, previous: bool = False) -> str:
        parameters = {"container": container} if container else {}
        if previous:
            parameters["previous"] = "true"
        path = path_of(PODS, self.namespace, pod, "log")
        return self.run(self.client.request_bytes("GET", path, parameters)).decode()


def _exit_code(status: Object) -> int:
    if status.get("status") == "Success":
        return 0
    for cause in (status.get("details") or {}).get("causes") or ():
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise from_status(status, status["code"])
