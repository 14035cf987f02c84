"""What a pod's containers read in /etc/hosts, /etc/hostname and /etc/resolv.conf. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from roost.api.values import Object
from roost.node import podspec

_HOSTS = """# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""
_HOST_NETWORK = "# Kubernetes-managed hosts file (host network).\n"
_NAME_LENGTH = 63


@dataclass(frozen=True, slots=True)
class ClusterNames:
    """The cluster's name service, and the node's own files that pods may inherit."""

    dns: tuple[str, ...] = ("10.96.0.10",)
    domain: str = "cluster.local"
    host_resolv_conf: str = ""
    host_hosts: str = "127.0.0.1\tlocalhost\n"


def hostname_of(pod: Object, node_name: str, domain: str) -> str:
    """Return the hostname that the pod's containers see."""
    if podspec.host_network(pod):
        return node_name
    override: str | None = pod["spec"].get("hostnameOverride")
    if override:
        return override
    if pod["spec"].get("setHostnameAsFQDN"):
        return _fqdn(pod, domain) or _short(pod)
    return _short(pod)


def _short(pod: Object) -> str:
    name: str = pod["spec"].get("hostname") or pod["metadata"]["name"]
    return name[:_NAME_LENGTH].rstrip("-.")


def _fqdn(pod: Object, domain: str) -> str:
    subdomain = pod["spec"].get("subdomain")
    if not subdomain:
        return ""
    return f"{_short(pod)}.{subdomain}.{pod['metadata'].get('namespace', '')}.svc.{domain}"


def hosts_file(pod: Object, pod_ips: Sequence[str], names: ClusterNames) -> str:
    """Return the content of /etc/hosts."""
    if podspec.host_network(pod):
        text = _HOST_NETWORK + names.host_hosts
    else:
        fqdn, short = _fqdn(pod, names.domain), _short(pod)
        label = f"{fqdn}\t{short}" if fqdn else short
        text = _HOSTS + "".join(f"{ip}\t{label}\n" for ip in pod_ips)
    aliases = pod["spec"].get("hostAliases") or ()
    if aliases:
        text += "\n# Entries added by HostAliases.\n"
        for alias in aliases:
            text += "\t".join((alias["ip"], *(alias.get("hostnames") or ()))) + "\n"
    return text


@dataclass(slots=True)
class _Resolver:
    nameservers: list[str]
    searches: list[str]
    options: dict[str, str | None]


def _parsed(text: str) -> _Resolver:
    found = _Resolver([], [], {})
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        if words[0] == "nameserver" and len(words) > 1:
            found.nameservers.append(words[1])
        elif words[0] in {"search", "domain"}:
            found.searches = words[1:]
        elif words[0] == "options":
            found.options.update(_options(words[1:]))
    return found


def _options(words: Iterable[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for word in words:
        name, colon, value = word.partition(":")
        found[name] = value if colon else None
    return found


def resolv_conf(pod: Object, names: ClusterNames) -> str:
    """Return the content of /etc/resolv.conf, by dnsPolicy and dnsConfig."""
    spec = pod["spec"]
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    if policy == "ClusterFirst" and podspec.host_network(pod):
        policy = "Default"
    found = _parsed("" if policy == "None" else names.host_resolv_conf)
    if policy in {"ClusterFirst", "ClusterFirstWithHostNet"} and names.dns:
        namespace = pod["metadata"].get("namespace", "")
        found.nameservers = list(names.dns)
        own = [f"{namespace}.svc.{names.domain}", f"svc.{names.domain}", names.domain]
        found.searches = own + [one for one in found.searches if one not in own]
        found.options = {"ndots": "5"}
    config = spec.get("dnsConfig") or {}
    found.nameservers.extend(
        ip for ip in config.get("nameservers") or () if ip not in found.nameservers
    )
    found.searches.extend(one for one in config.get("searches") or () if one not in found.searches)
    for option in config.get("options") or ():
        found.options[option["name"]] = option.get("value")
    return _written(found)


def _written(found: _Resolver) -> str:
    lines = []
    if found.searches:
        lines.append("search " + " ".join(found.searches))
    lines.extend(f"nameserver {ip}" for ip in found.nameservers)
    if found.options:
        words = (
            name if value is None else f"{name}:{value}" for name, value in found.options.items()
        )
        lines.append("options " + " ".join(words))
    return "".join(line + "\n" for line in lines)
