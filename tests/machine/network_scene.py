"""Run inside a network namespace by test_network.py: sets up pods, says what happens as JSON.

Pods are only namespaces here, each with a process that answers TCP and UDP with its name.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from roost.network import links
from roost.network.dataplane import NftablesDataplane, run_nft
from roost.network.dns.process import DnsProcess
from roost.network.dns.zone import zone_table
from roost.network.plan import NetworkError, NodeNetwork
from roost.network.podnetwork import BridgePodNetwork
from roost.network.proxy import with_local_dns
from roost.network.rules import Rules
from roost.network.services import Backend, Frontend, ServiceTable

ECHO = """
import socket, sys, threading
name = sys.argv[1]
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(("0.0.0.0", 80))
tcp = socket.create_server(("0.0.0.0", 80), backlog=64)
print("up", flush=True)
def answer_udp():
    while True:
        _, who = udp.recvfrom(100); udp.sendto(f"{who[0]} {name}".encode(), who)
threading.Thread(target=answer_udp, daemon=True).start()
while True:
    c, who = tcp.accept(); c.send(f"{who[0]} {name}".encode()); c.close()
"""
ASK = """
import socket, sys
proto, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
try:
    if proto == "tcp":
        s = socket.create_connection((host, port), 2); s.settimeout(2); print(s.recv(100).decode())
    else:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2)
        s.connect((host, port)); s.send(b"x"); print(s.recv(100).decode())
except OSError as error:
    print(type(error).__name__)
"""
LOOKUP = """
import sys
from dnslib import DNSRecord
tcp = sys.argv[3] == "tcp"
reply = DNSRecord.parse(DNSRecord.question(sys.argv[2]).send(sys.argv[1], 53, tcp=tcp, timeout=2))
print(reply.header.rcode, *[r.rdata for r in reply.rr])
"""


def within(path: str, script: str, *arguments: str) -> str:
    argv = [sys.executable, "-c", script, *arguments]
    if path:
        argv = ["nsenter", f"--net={path}", "--", *argv]
    return subprocess.run(
        argv, capture_output=True, text=True, timeout=20, check=False
    ).stdout.strip()


async def main() -> None:
    folder, said = Path(sys.argv[1]), {}
    network = NodeNetwork(sys.argv[2], "10.244.7.0/24")
    pods = BridgePodNetwork(network, folder / "state", folder / "run")
    await pods.recover()
    places = {}
    for name in "ab":
        host_ports = (("TCP", "", 8081, 80),) if name == "b" else ()
        places[name] = await pods.attach(f"uid-{name}", name, "ns", host_ports)
    echoes = []
    for name, (path, _) in places.items():
        argv = ["nsenter", f"--net={path}", "--", sys.executable, "-c", ECHO, name]
        echoes.append(subprocess.Popen(argv, stdout=subprocess.PIPE))
        echoes[-1].stdout.readline()
    (a_path, a_ip), (_, b_ip) = places["a"], places["b"]
    both = Backend(((a_ip, 80), (b_ip, 80)))
    backends = {
        Frontend("10.96.0.50", "tcp", 80): both,
        Frontend("10.96.0.50", "udp", 80): Backend(((b_ip, 80),)),
        Frontend("10.96.0.51", "tcp", 80): Backend(((a_ip, 80),)),
        Frontend("10.96.0.52", "tcp", 80): Backend((*both.targets,), affinity=True),
        Frontend("10.96.0.53", "tcp", 80): Backend(()),
        Frontend("", "tcp", 30080): Backend(((b_ip, 80),)),
    }
    table = with_local_dns(ServiceTable(backends), network)
    dataplane = NftablesDataplane(network)
    await dataplane.program(Rules(table, pods.host_ports()))
    service = {"metadata": {"name": "web", "namespace": "ns"}, "spec": {"clusterIP": "10.96.0.50"}}
    names = msgspec.json.encode({**zone_table([service], []), "upstreams": []})
    dns = DnsProcess(folder / "dns", network.gateway)
    dns.publish(names)
    await dns.ensure()
    said["addresses"] = [a_ip, b_ip, network.gateway]
    said["balanced"] = sorted({within(a_path, ASK, "tcp", "10.96.0.50", "80") for _ in range(24)})
    said["udp"] = within(a_path, ASK, "udp", "10.96.0.50", "80")
    said["pod"] = within(a_path, ASK, "tcp", b_ip, "80")
    said["itself"] = within(a_path, ASK, "tcp", "10.96.0.51", "80")
    said["sticky"] = len({within(a_path, ASK, "tcp", "10.96.0.52", "80") for _ in range(8)})
    started = time.monotonic()
    said["refused"] = [within(p, ASK, "tcp", "10.96.0.53", "80") for p in (a_path, "")]
    said["refused_fast"] = time.monotonic() - started < 3.5
    said["node"] = within("", ASK, "tcp", "10.96.0.51", "80")
    said["node_port"] = [
        within("", ASK, "tcp", ip, "30080") for ip in ("127.0.0.1", network.gateway)
    ]
    said["host_port"] = within("", ASK, "tcp", "127.0.0.1", "8081")
    said["name"] = [
        within(a_path, LOOKUP, "10.96.0.10", "web.ns.svc.cluster.local", p) for p in ("udp", "tcp")
    ]
    said["no_name"] = within(a_path, LOOKUP, "10.96.0.10", "nope.ns.svc.cluster.local", "udp")
    # A second agent on the same node: everything is found again, nothing is made again.
    later = BridgePodNetwork(network, folder / "state", folder / "run")
    said["recovered"] = dict(await later.recover())
    said["again"] = list(await later.attach("uid-a", "a", "ns"))
    # An agent was ended while it made a pod's network: it is there, and nobody has a lease for it.
    stray = later.path_of("uid-c")
    await asyncio.to_thread(links.make_pod_link, network, stray, "rvstray0", "10.244.7.99")
    said["c"] = [links.is_namespace(stray), (await later.attach("uid-c", "c", "ns"))[1]]
    await later.detach("uid-c")
    await asyncio.to_thread(links.make_pod_link, network, stray, "rvstray1", "10.244.7.99")
    await BridgePodNetwork(network, folder / "state", folder / "run").recover()
    said["stray"] = stray.exists()
    other_dns = DnsProcess(folder / "dns", network.gateway)
    await other_dns.ensure()
    said["same_dns"] = other_dns.pid() == dns.pid()
    fresh = NftablesDataplane(network)
    await fresh.program(Rules(table, later.host_ports()))
    said["reprogrammed"] = within(a_path, ASK, "tcp", b_ip, "80")
    # Somebody flushes the rules: the next change fails and the one after repairs.
    await run_nft(f"table ip {network.table}\ndelete table ip {network.table}\n")
    changed = Rules(ServiceTable({Frontend("10.96.0.60", "tcp", 80): both}), later.host_ports())
    try:
        await fresh.program(changed)
    except NetworkError:
        await fresh.program(changed)
    said["repaired"] = within(a_path, ASK, "tcp", "10.96.0.60", "80") != ""
    for echo in echoes:
        echo.kill()
    dns.stop()
    await later.remove()
    await fresh.remove()
    shown = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True)
    said["left"] = [
        len(shown.splitlines()),
        tables.stdout,
        os.listdir(folder / "run" / "netns"),
        os.listdir(folder / "state" / "addresses"),
    ]
    said["host"] = socket.gethostname() != ""
    print(json.dumps(said))


asyncio.run(main())
