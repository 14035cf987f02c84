"""Asks a container something: exec, httpGet, tcpSocket, grpc, sleep; for probes and for hooks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from roost.api.values import Object
from roost.ports.port import Network
from roost.runtimes.port import Exec, Runtime, RuntimeFault

_OUTPUT_LIMIT = 10 * 1024
_SERVING = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """`ok`, and what to say of it if it is not. `unknown`: it could not be asked at all, which tells
    nothing of the container."""

    ok: bool
    message: str = ""
    unknown: bool = False


@runtime_checkable
class GrpcHealth(Protocol):
    """Optional for a Network: the gRPC health protocol."""

    async def grpc_health(self, host: str, port: int, service: str, *, timeout_s: float) -> int:
        """Return the ServingStatus (1: serving); raises OSError or TimeoutError."""
        ...


@dataclass(frozen=True, slots=True)
class Patient:
    """The container that is asked, and how to reach it."""

    container: Object
    container_id: str
    pod_ip: str
    runtime: Runtime


async def ask(handler: Object, patient: Patient, network: Network, timeout_s: float) -> Answer:
    """Run one handler (an ExecAction, HTTPGetAction, TCPSocketAction, GRPCAction or sleep)."""
    if "exec" in handler:
        return await _exec(tuple(handler["exec"].get("command") or ()), patient, timeout_s)
    if "httpGet" in handler:
        return await _http(handler["httpGet"], patient, network, timeout_s)
    if "tcpSocket" in handler:
        return await _tcp(handler["tcpSocket"], patient, network, timeout_s)
    if "grpc" in handler:
        return await _grpc(handler["grpc"], patient, network, timeout_s)
    if "sleep" in handler:
        await asyncio.sleep(float(handler["sleep"].get("seconds") or 0))
        return Answer(ok=True)
    return Answer(ok=False, message="missing probe handler")


async def _exec(argv: tuple[str, ...], patient: Patient, timeout_s: float) -> Answer:
    runtime = patient.runtime
    if not isinstance(runtime, Exec):
        return Answer(ok=False, message="the runtime cannot exec")
    output = bytearray()
    try:
        process = await runtime.exec(patient.container_id, argv, tty=False, stdin=False)
    except RuntimeFault as error:
        return _not_run(error)
    try:
        async with asyncio.timeout(timeout_s):
            async for _, chunk in process.output():
                output += chunk[: _OUTPUT_LIMIT - len(output)]
            code = await process.wait()
    except TimeoutError:
        words = " ".join(argv)
        return Answer(
            ok=False, message=f'command timed out: "{words}" timed out after {timeout_s:g}s'
        )
    except RuntimeFault as error:
        return _not_run(error)
    finally:
        await process.close()
    return Answer(code == 0, output.decode(errors="replace"))


def _not_run(error: RuntimeFault) -> Answer:
    message = f"rpc error: code = Unknown desc = {error.message}"
    return Answer(ok=False, message=message, unknown=True)


def port_number(wanted: object, container: Object) -> int:
    """Return a port that may be given by name; raises ValueError where there is none."""
    if isinstance(wanted, int):
        return wanted
    for port in container.get("ports") or ():
        if port.get("name") == wanted:
            number: int = port["containerPort"]
            return number
    return int(str(wanted))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def _http(handler: Object, patient: Patient, network: Network, timeout_s: float) -> Answer:
    try:
        port = port_number(handler.get("port"), patient.container)
    except ValueError as error:
        return Answer(ok=False, message=str(error))
    scheme = (handler.get("scheme") or "HTTP").lower()
    host = _bracketed(handler.get("host") or patient.pod_ip)
    path = handler.get("path") or "/"
    url = f"{scheme}://{host}:{port}{path if path.startswith('/') else '/' + path}"
    headers = [(one["name"], one["value"]) for one in handler.get("httpHeaders") or ()]
    given = {name.lower() for name, _ in headers}
    if "user-agent" not in given:
        headers.append(("User-Agent", "kube-probe/1.36"))
    if "accept" not in given:
        headers.append(("Accept", "*/*"))
    try:
        status, _ = await network.http_get(url, headers, timeout_s=timeout_s)
    except TimeoutError:
        return Answer(
            ok=False,
            message=f'Get "{url}": context deadline exceeded '
            "(Client.Timeout exceeded while awaiting headers)",
        )
    except OSError as error:
        return Answer(ok=False, message=str(error))
    if 200 <= status < 400:
        return Answer(ok=True)
    return Answer(ok=False, message=f"HTTP probe failed with statuscode: {status}")


async def _tcp(handler: Object, patient: Patient, network: Network, timeout_s: float) -> Answer:
    try:
        port = port_number(handler.get("port"), patient.container)
        await network.connect(handler.get("host") or patient.pod_ip, port, timeout_s=timeout_s)
    except TimeoutError:
        return Answer(ok=False, message=f"dial tcp {patient.pod_ip}:{port}: i/o timeout")
    except (OSError, ValueError) as error:
        return Answer(ok=False, message=str(error))
    return Answer(ok=True)


async def _grpc(handler: Object, patient: Patient, network: Network, timeout_s: float) -> Answer:
    if not isinstance(network, GrpcHealth):
        return Answer(ok=False, message="grpc probes are not supported by this node")
    port = int(handler["port"])
    service = handler.get("service") or ""
    try:
        status = await network.grpc_health(patient.pod_ip, port, service, timeout_s=timeout_s)
    except TimeoutError:
        return Answer(
            ok=False,
            message=f'timeout: failed to connect service "{patient.pod_ip}:{port}" '
            f"within {timeout_s:g}s: context deadline exceeded",
        )
    except OSError as error:
        return Answer(ok=False, message=str(error))
    if status == _SERVING:
        return Answer(ok=True)
    names = {0: "UNKNOWN", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
    return Answer(
        ok=False,
        message=f"service unhealthy (responded with {names.get(status, str(status))!r})".replace(
            "'", '"'
        ),
    )
