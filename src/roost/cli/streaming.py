"""`roost logs` and `roost exec`: streams between a terminal and a container."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import termios
import tty
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import aiohttp

from roost.api.errors import from_status
from roost.api.kind import Resource
from roost.cli.output import fail
from roost.cli.resources import Discovery, UsageError, parse_targets
from roost.client.http import HttpClient, path_of
from roost.client.port import Query

PODS: Final = Resource("", "v1", "pods")
_PROTOCOL: Final = "v5.channel.k8s.io"
_CHUNK_BYTES: Final = 16 * 1024
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


async def find_pod(client: HttpClient, word: str, namespace: str) -> str:
    """Return the name of a pod: `web-1`, `pod/web-1`, or the first pod of `deploy/web`.

    Raises UsageError.
    """
    if not word:
        raise UsageError("say which pod: its name, or TYPE/NAME")
    if "/" not in word:
        return word
    discovery = await Discovery.fetch(client)
    (target,) = parse_targets(discovery, [word])
    if target.served.resource.plural == "pods":
        return target.name
    owner = await client.get(target.served.resource, target.name, namespace)
    labels = (owner.get("spec", {}).get("selector") or {}).get("matchLabels") or {}
    if not labels:
        raise UsageError(f"{word} selects no pods by labels; name the pod")
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    pods = (await client.list(Query(PODS, namespace, labels=selector))).items
    if not pods:
        raise UsageError(f"{word} has no pods")
    running = [pod for pod in pods if pod.get("status", {}).get("phase") == "Running"]
    name: str = min(pod["metadata"]["name"] for pod in running or pods)
    return name


def log_parameters(
    container: str, tail: int, since: str, *, follow: bool, previous: bool, timestamps: bool
) -> dict[str, str]:
    """Return the query of a log request."""
    flags = {"follow": follow, "previous": previous, "timestamps": timestamps}
    parameters = {name: "true" for name, on in flags.items() if on}
    if container:
        parameters["container"] = container
    if tail < -1:
        fail(f"--tail {tail}: say how many lines, or -1 for all")
    if tail >= 0:
        parameters["tailLines"] = str(tail)
    if since:
        parameters["sinceSeconds"] = str(parse_duration_s(since))
    return parameters


def parse_duration_s(text: str) -> int:
    """Return the seconds of `90`, `30s`, `5m` or `2h`; ends the command for anything else."""
    number = text.rstrip("smhd")
    unit = text[len(number) :] or "s"
    if not number.isdigit() or unit not in _UNITS_S:
        fail(f"--since {text}: say it as 30s, 5m or 2h")
    return max(1, int(number) * _UNITS_S[unit])


async def logs(client: HttpClient, word: str, namespace: str, parameters: dict[str, str]) -> int:
    """Copy a container's log to standard output."""
    pod = await find_pod(client, word, namespace)
    path = path_of(PODS, namespace, pod, "log")
    async with client.stream(path, parameters) as answer:
        if answer.status == 204:  # the pod has no node yet, and so no log
            return 0
        if answer.status != 200:
            await _raise(answer)
        async for chunk in answer.content.iter_any():
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
    return 0


async def _raise(answer: aiohttp.ClientResponse) -> None:
    content = await answer.read()
    try:
        body = json.loads(content)
    except ValueError:
        body = {"message": content.decode(errors="replace").strip()}
    raise from_status(body, answer.status)


async def execute(
    client: HttpClient, word: str, namespace: str, command: list[str],
    *, container: str, stdin: bool, terminal: bool,
) -> int:  # fmt: skip
    """Run a command in a container; return its exit code."""
    if terminal and not sys.stdin.isatty():
        print("Unable to use a TTY: standard input is not a terminal", file=sys.stderr)
        terminal = False
    pod = await find_pod(client, word, namespace)
    parameters = [("command", part) for part in command]
    parameters += [("stdout", "true"), ("stderr", "false" if terminal else "true")]
    parameters += [(name, "true") for name, on in (("stdin", stdin), ("tty", terminal)) if on]
    if container:
        parameters.append(("container", container))
    path = path_of(PODS, namespace, pod, "exec")
    try:
        async with client.upgrade(path, parameters, _PROTOCOL) as socket:
            with raw_terminal() if terminal else contextlib.nullcontext():
                return await _converse(socket, stdin=stdin, terminal=terminal)
    except aiohttp.WSServerHandshakeError as error:
        # The answer's body is gone with the handshake; ask again as a plain request to learn why.
        await client.request_bytes("GET", path, dict(parameters))
        raise UsageError(f"the server refused the connection ({error.status})") from error


async def _converse(socket: aiohttp.ClientWebSocketResponse, *, stdin: bool, terminal: bool) -> int:
    code = 0
    async with asyncio.TaskGroup() as tasks:
        senders = []
        if stdin:
            senders.append(tasks.create_task(_send_input(socket)))
        if terminal:
            senders.append(tasks.create_task(_send_sizes(socket)))
        async for message in socket:
            if message.type != aiohttp.WSMsgType.BINARY or not message.data:
                continue
            channel, data = message.data[0], message.data[1:]
            if channel == 3:
                code = _exit_code(data)
            elif channel in (1, 2):
                out = sys.stdout if channel == 1 else sys.stderr
                out.buffer.write(data)
                out.buffer.flush()
        for sender in senders:
            sender.cancel()
    return code


def _exit_code(data: bytes) -> int:
    status = json.loads(data)
    if status.get("status") == "Success":
        return 0
    for cause in (status.get("details") or {}).get("causes") or ():
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    print(f"error: {status.get('message', 'the command failed')}", file=sys.stderr)
    return 1


async def _send_input(socket: aiohttp.ClientWebSocketResponse) -> None:
    async for chunk in _read_stdin():
        await socket.send_bytes(b"\0" + chunk)
    await socket.send_bytes(b"\xff\0")


async def _read_stdin() -> AsyncIterator[bytes]:
    """Yield standard input as it comes, whatever it is: a terminal, a pipe or a file."""
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()
    ready = asyncio.Event()
    try:
        loop.add_reader(descriptor, ready.set)
    except PermissionError:  # a plain file cannot be waited for, and never has to be
        while chunk := os.read(descriptor, _CHUNK_BYTES):
            yield chunk
        return
    try:
        while True:
            await ready.wait()
            ready.clear()
            chunk = os.read(descriptor, _CHUNK_BYTES)
            if not chunk:
                return
            yield chunk
    finally:
        loop.remove_reader(descriptor)


async def _send_sizes(socket: aiohttp.ClientWebSocketResponse) -> None:
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGWINCH, changed.set)
    try:
        while True:
            size = os.get_terminal_size(sys.stdout.fileno())
            text = json.dumps({"Width": size.columns, "Height": size.lines})
            await socket.send_bytes(b"\4" + text.encode())
            await changed.wait()
            changed.clear()
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)


@contextlib.contextmanager
def raw_terminal() -> Iterator[None]:
    """Hand every key to the other side; the terminal is put back whatever happens."""
    descriptor = sys.stdin.fileno()
    before: list[Any] = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
