"""Certificates of a node, issued by the authority that lies in the same data directory."""

from __future__ import annotations

from roost.adapters.real.clock import SystemClock
from roost.adapters.real.files import DiskFiles
from roost.apiserver.pki.authority import Authority
from roost.cli.places import Places
from roost.client.kubeconfig import Connection, kubeconfig_text

#: Follows Services and EndpointSlices, which a node's own identity may not.
PROXY_USER = "system:kube-proxy"


def issue_node(authority: Authority, places: Places, name: str, address: str, server: str) -> None:
    """Write a node's kubeconfigs and the certificate of its API. Old ones are kept while they fit."""
    files = DiskFiles()
    identity = authority.client(f"system:node:{name}", ["system:nodes"], keep_as=f"node-{name}")
    proxy = authority.client(PROXY_USER, keep_as="kube-proxy")
    for path, user, own in (
        (places.agent_kubeconfig, f"system:node:{name}", identity),
        (places.proxy_kubeconfig, PROXY_USER, proxy),
    ):
        connection = Connection(
            server=server,
            ca=authority.certificate.decode(),
            certificate=own.certificate.decode(),
            key=own.key.decode(),
        )
        files.write_changed(str(path), kubeconfig_text(connection, user=user).encode())
    serving = authority.kubelet_server(name, [address], keep_as=f"kubelet-{name}")
    for path, content in zip(
        places.kubelet_identity, (serving.certificate, serving.key), strict=True
    ):
        files.write_changed(str(path), content)


def issue_from_disk(places: Places, name: str, address: str, server: str) -> bool:
    """Issue from the authority in the data directory; False if there is none. Raises PkiError."""
    if not (places.pki / "ca.key").exists():
        return False
    authority = Authority.open(DiskFiles(), str(places.pki), SystemClock())
    issue_node(authority, places, name, address, server)
    return True
