"""`roost agent`: the node agent with its runtime, network and API, wired together.

It talks to the server over HTTPS like any kubelet, whatever server that is.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from roost.adapters.real.chance import SystemChance
from roost.adapters.real.clock import SystemClock
from roost.adapters.real.control import AgentControl
from roost.adapters.real.files import DiskFiles
from roost.adapters.real.kubelet.access import Access
from roost.adapters.real.kubelet.server import KubeletServer
from roost.adapters.real.levels import MachineLevels
from roost.adapters.real.machine import DiskSpace, read_capacity, read_node_info
from roost.adapters.real.network import SystemNetwork
from roost.adapters.real.processes import SystemProcesses
from roost.adapters.real.trees import DiskTrees
from roost.adapters.real.usage import LinuxMachine
from roost.cli.places import Places
from roost.cli.settings import KUBELET_PORT, Settings, node_name
from roost.client.http import HttpClient
from roost.client.informer import Informers
from roost.client.kubeconfig import KubeconfigError, load_kubeconfig
from roost.client.recorder import EVENTS_REST_S, EventRecorder
from roost.decisions.volumes import LOCAL_PATH_ROOT
from roost.network.dataplane import NftablesDataplane
from roost.network.dns.process import DnsProcess, host_nameservers
from roost.network.plan import NetworkError, NodeNetwork
from roost.network.podnetwork import BridgePodNetwork
from roost.network.proxy import ServiceProxy
from roost.node.agent import NodeAgent
from roost.node.layout import Layout
from roost.node.localvolumes import LocalVolumes
from roost.node.naming import ClusterNames
from roost.node.podfiles import DiskPodFiles
from roost.node.thresholds import parse_thresholds
from roost.node.tools import NodeSettings, Runtimes, Tools
from roost.runtimes.oci.runtime import OciRuntime, OciSettings
from roost.runtimes.port import RuntimeFault

log = logging.getLogger(__name__)


class AgentError(Exception):
    """The agent cannot start; the message says why and what to do."""


#: What may go wrong at the start, each in one line.
AGENT_ERRORS: Final = (AgentError, RuntimeFault, NetworkError, KubeconfigError)


def serving_context(places: Places, ca: str) -> ssl.SSLContext:
    """Return the TLS context of the kubelet API: client certificates of the cluster's CA welcome."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate, key = places.kubelet_identity
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(cadata=ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


@dataclass(slots=True)
class Parts:
    """What a node is made of, opened. `client` is the node's own, `proxying` that of its proxy."""

    settings: Settings
    places: Places
    network: NodeNetwork
    address: str
    runtime: OciRuntime
    pods: BridgePodNetwork
    client: HttpClient
    proxying: HttpClient
    clock: SystemClock
    chance: SystemChance


async def run_agent(
    settings: Settings,
    places: Places,
    network: NodeNetwork,
    address: str,
    ready: Callable[[], None],
) -> None:
    """Run the node until cancelled, which stops no container.

    `ready` is called once the node is registered. Raises AgentError, RuntimeFault, NetworkError.
    """
    name, clock = node_name(settings), SystemClock()
    connection = load_kubeconfig(places.agent_kubeconfig)
    runtime = await OciRuntime.open(_runtime_settings(settings, places), clock)
    try:
        pods = BridgePodNetwork(network, places.network, places.run)
        await pods.recover()  # the bridge's address must be there before anything listens on it
        async with (
            HttpClient(connection, f"roost-agent/{name}") as client,
            HttpClient(load_kubeconfig(places.proxy_kubeconfig), f"roost-proxy/{name}") as proxying,
        ):
            kubelet = KubeletServer(Access(client, name), clock)
            context = serving_context(places, connection.ca)
            port = await _listen(kubelet, context, settings.kubelet_port)
            try:
                parts = Parts(
                    replace(settings, kubelet_port=port), places, network, address, runtime, pods,
                    client, proxying, clock, SystemChance(),
                )  # fmt: skip
                await _run_node(parts, kubelet, ready)
            finally:
                await kubelet.close()
    finally:
        await runtime.close()


async def _run_node(parts: Parts, kubelet: KubeletServer, ready: Callable[[], None]) -> None:
    """Run everything that makes the node, side by side."""
    name = node_name(parts.settings)
    recorder = EventRecorder(parts.client, parts.clock, "kubelet", host=name, rest_s=EVENTS_REST_S)
    agent = NodeAgent(_node_settings(parts), _tools(parts, recorder))
    kubelet.agent = agent
    dns = DnsProcess(parts.places.dns, parts.network.gateway)
    informers = Informers(parts.proxying, parts.chance)
    proxy = ServiceProxy(
        parts.network,
        name,
        informers,
        NftablesDataplane(parts.network),
        host_ports=parts.pods.host_ports,
        publish_names=dns.publish,
        upstreams=host_nameservers({parts.network.gateway, parts.network.dns_address}),
    )
    parts.pods.on_host_ports = proxy.poke
    control = AgentControl(parts.runtime)
    volumes = LocalVolumes(
        parts.client, parts.chance, name, _layout(parts.places).volumes, _remove_directory
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(agent.run(), name="node")
        tasks.create_task(recorder.run(), name="events")
        tasks.create_task(informers.run(), name="informers")
        tasks.create_task(proxy.run(), name="services")
        tasks.create_task(dns.supervise(), name="dns")
        tasks.create_task(volumes.run(), name="local volumes")
        tasks.create_task(control.run(parts.places.control_socket), name="control")
        await agent.registration.registered.wait()
        ready()


async def _remove_directory(path: str) -> None:
    """Remove a directory, but nothing that is mounted in it. Raises OSError."""
    # In a process of its own: it may take long.
    done = await SystemProcesses().run(["rm", "-rf", "--one-file-system", "--", path])
    if done.code != 0:
        raise OSError(errno.EIO, done.stderr.decode(errors="replace").strip(), path)


def _layout(places: Places) -> Layout:
    return Layout(str(places.root), str(places.pod_logs), str(places.run / "secret"))


def _tools(parts: Parts, recorder: EventRecorder) -> Tools:
    pod_files = DiskPodFiles(_layout(parts.places), SystemProcesses(), parts.clock, may_mount=True)
    return Tools(
        client=parts.client,
        runtimes=Runtimes([parts.runtime]),
        clock=parts.clock,
        chance=parts.chance,
        files=DiskFiles(),
        pod_files=pod_files,
        network=parts.pods,
        reach=SystemNetwork(),
        recorder=recorder,
        space=DiskSpace(parts.places.root),
        machine=LinuxMachine(),
        trees=DiskTrees(),
        levels=MachineLevels(parts.places.root, parts.places.runtime),
    )


def _runtime_settings(settings: Settings, places: Places) -> OciSettings:
    insecure = [host.strip() for host in settings.insecure_registries.split(",") if host.strip()]
    return OciSettings(
        root=places.runtime,
        cgroup_root=f"/roost-{places.instance}",
        runtimes=(settings.runtime,) if settings.runtime else ("runc", "crun"),
        insecure_registries=tuple(insecure),
    )


async def _listen(kubelet: KubeletServer, context: ssl.SSLContext, port: int) -> int:
    """Listen on the kubelet's port; if the usual one is taken (by another cluster), on any."""
    try:
        return await kubelet.listen(context, "0.0.0.0", port)  # noqa: S104
    except OSError as error:
        if port == KUBELET_PORT and error.errno == errno.EADDRINUSE:
            return await kubelet.listen(context, "0.0.0.0", 0)  # noqa: S104
        why = error.strerror or str(error)
        raise AgentError(
            f"cannot listen on port {port}: {why}; choose another with --kubelet-port"
        ) from error


def _node_settings(parts: Parts) -> NodeSettings:
    hosts = _read("/etc/hosts") or "127.0.0.1\tlocalhost\n"
    return NodeSettings(
        name=node_name(parts.settings),
        host_ips=(parts.address,),
        capacity=read_capacity(parts.places.root),
        layout=_layout(parts.places),
        names=ClusterNames(host_resolv_conf=_read("/etc/resolv.conf"), host_hosts=hosts),
        kubelet_port=parts.settings.kubelet_port,
        node_info=read_node_info(),
        annotations={LOCAL_PATH_ROOT: _layout(parts.places).volumes},
        eviction_hard=parse_thresholds(parts.settings.eviction_hard),
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
