"""Bridges, links and network namespaces of the kernel, through netlink.

Everything here blocks for a few milliseconds and is called from one thread of its own (podnetwork.py).
A pod's namespace is made by a thread that enters a new one, binds it to a file and ends: no process is
needed to hold it, and none has to be started. Every call may be repeated.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from roost.network.plan import BRIDGE_PREFIX, NetworkError, NodeNetwork

_CLONE_NEWNET: Final = 0x40000000
_MS_BIND: Final = 0x1000
_MNT_DETACH: Final = 2
_EEXIST: Final = 17

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def set_kernel_option(name: str, value: str) -> None:
    """Write one /proc/sys/net option of the network namespace we are in, if the kernel has it."""
    path = Path("/proc/sys/net") / name
    try:
        if path.read_text().strip() != value:
            path.write_text(value)
    except FileNotFoundError:
        return
    except OSError as error:
        raise NetworkError(f"cannot set {path} to {value}: {error.strerror}") from error


def routes() -> list[str]:
    """Return the IPv4 ranges that this machine has routes to (but the default, and our bridges')."""
    found = []
    with IPRoute() as netlink:
        names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in netlink.get_links()}
        for route in netlink.get_routes(family=2, table=254):
            target = route.get_attr("RTA_DST")
            if target and not str(names.get(route.get_attr("RTA_OIF"))).startswith(BRIDGE_PREFIX):
                found.append(f"{target}/{route['dst_len']}")
    return found


def bridge_ranges() -> dict[str, str]:
    """Return the pod range of every Roost bridge on this machine, by the bridge's name."""
    found = {}
    with IPRoute() as netlink:
        names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in netlink.get_links()}
        for route in netlink.get_routes(family=2, table=254):
            name = str(names.get(route.get_attr("RTA_OIF")))
            scope_link = route.get_attr("RTA_GATEWAY") is None and route["proto"] == 2
            if name.startswith(BRIDGE_PREFIX) and scope_link and route["dst_len"] < 32:
                found[name] = f"{route.get_attr('RTA_DST')}/{route['dst_len']}"
    return found


def node_address() -> str:
    """Return the address that this machine uses towards others, or "" when it has none."""
    with IPRoute() as netlink:
        names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in netlink.get_links()}
        addresses = [
            (str(names.get(item["index"])), str(item.get_attr("IFA_ADDRESS")), item["index"])
            for item in netlink.get_addr(family=2)
        ]
        default = [
            route.get_attr("RTA_OIF")
            for route in netlink.get_routes(family=2, table=254)
            if route["dst_len"] == 0
        ]
    usable = [
        (index not in default, name, address)
        for name, address, index in addresses
        if name != "lo" and not name.startswith(BRIDGE_PREFIX)
    ]
    return min(usable)[2] if usable else ""


def ensure_bridge(network: NodeNetwork) -> None:
    """Make the node's bridge with its address and the route to services, where they are missing."""
    prefix_length = int(network.pod_range.partition("/")[2])
    with IPRoute() as netlink:
        found = netlink.link_lookup(ifname="lo")
        netlink.link("set", index=found[0], state="up")
        if not netlink.link_lookup(ifname=network.bridge):
            netlink.link("add", ifname=network.bridge, kind="bridge", address=network.bridge_mac)
        index = netlink.link_lookup(ifname=network.bridge)[0]
        netlink.link("set", index=index, mtu=network.mtu, state="up")
        _tolerate_existing(
            lambda: netlink.addr(
                "add", index=index, address=network.gateway, prefixlen=prefix_length
            )
        )
        netlink.route("replace", dst=network.service_range, oif=index, prefsrc=network.gateway)
    set_kernel_option("ipv4/ip_forward", "1")
    for option, value in (("send_redirects", "0"), ("route_localnet", "1"), ("rp_filter", "0")):
        set_kernel_option(f"ipv4/conf/{network.bridge}/{option}", value)
    set_kernel_option("ipv4/conf/all/send_redirects", "0")


def remove_bridge(network: NodeNetwork) -> None:
    """Remove the bridge, if it is there."""
    with IPRoute() as netlink:
        for index in netlink.link_lookup(ifname=network.bridge):
            netlink.link("del", index=index)


def is_namespace(path: Path) -> bool:
    """Tell whether a file is a bound network namespace (and not the empty file under one)."""
    try:
        return path.stat().st_dev != path.parent.stat().st_dev
    except FileNotFoundError:
        return False


def make_pod_link(network: NodeNetwork, path: Path, veth: str, address: str) -> None:
    """Make a pod's namespace at `path`, linked to the bridge, with its address and routes."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    remove_namespace(path)  # what an attempt that was cut off has left
    path.touch(mode=0o600)
    ready, go_on = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def inside() -> None:
        # The thread that enters the new namespace; its netlink sockets belong to that namespace.
        try:
            _call("unshare", _CLONE_NEWNET)
            source = f"/proc/self/task/{threading.get_native_id()}/ns/net".encode()
            _call("mount", source, os.fsencode(path), b"none", _MS_BIND, None)
            ready.set()
            go_on.wait()
            if not failures:
                _configure_pod_side(network, address)
        except (OSError, NetlinkError) as error:
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=inside, name="pod-network")
    thread.start()
    ready.wait()
    try:
        if not failures:
            _link_to_bridge(network, path, veth)
    except (OSError, NetlinkError) as error:
        failures.append(error)
    finally:
        go_on.set()
        thread.join()
    if failures:
        remove_pod_link(path, veth)
        raise NetworkError(f"cannot make the pod's network: {failures[0]}") from failures[0]


def _link_to_bridge(network: NodeNetwork, path: Path, veth: str) -> None:
    with path.open() as namespace, IPRoute() as netlink:
        bridge = netlink.link_lookup(ifname=network.bridge)
        if not bridge:
            raise OSError(f"the bridge {network.bridge} is gone")
        peer = {"ifname": "eth0", "net_ns_fd": namespace.fileno(), "mtu": network.mtu}
        netlink.link("add", ifname=veth, kind="veth", mtu=network.mtu, peer=peer)
        index = netlink.link_lookup(ifname=veth)[0]
        netlink.link("set", index=index, master=bridge[0], state="up")
        # Where br_netfilter is loaded, the bridge itself sends a pod's packets to its own Service
        # back through the port they came from, and drops them unless the port is a hairpin.
        netlink.brport("set", index=index, mode=1)


def _configure_pod_side(network: NodeNetwork, address: str) -> None:
    with IPRoute() as netlink:
        for name in ("lo", "eth0"):
            netlink.link("set", index=netlink.link_lookup(ifname=name)[0], state="up")
        index = netlink.link_lookup(ifname="eth0")[0]
        netlink.addr("add", index=index, address=address, prefixlen=32)
        netlink.route("add", dst=f"{network.gateway}/32", oif=index, scope=253)
        netlink.route("add", dst="default", gateway=network.gateway, oif=index)


def remove_pod_link(path: Path, veth: str) -> None:
    """Remove a pod's link and namespace; no error if they are gone."""
    with IPRoute() as netlink:
        for index in netlink.link_lookup(ifname=veth):
            netlink.link("del", index=index)
    remove_namespace(path)


def remove_namespace(path: Path) -> None:
    """Remove a bound namespace, and with it the links inside; no error if it is gone."""
    while is_namespace(path):
        _call("umount2", os.fsencode(path), _MNT_DETACH)
    path.unlink(missing_ok=True)


def _tolerate_existing(action: Callable[[], object]) -> None:
    try:
        action()
    except NetlinkError as error:
        if error.code != _EEXIST:
            raise
