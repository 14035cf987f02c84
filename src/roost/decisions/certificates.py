"""Certificate signing requests of the built-in signers: what each of them may ask for.

The texts are those that a CertificateSigningRequest gets in its Failed condition.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
CLIENT = "kubernetes.io/kube-apiserver-client"
LEGACY = "kubernetes.io/legacy-unknown"
SIGNERS = (KUBELET_CLIENT, KUBELET_SERVING, CLIENT, LEGACY)

_BASE_USAGES = frozenset({"digital signature", "key encipherment"})


@dataclass(frozen=True, slots=True)
class Request:
    """A certificate request, read."""

    common_name: str
    organizations: tuple[str, ...]
    dns_names: tuple[str, ...]
    addresses: tuple[str, ...]
    other_names: tuple[str, ...]  # e-mail addresses and URIs


def fault_of(signer: str, request: Request, usages: Iterable[str]) -> str | None:
    """Return why a signer must not sign a request, None if it may."""
    wanted = frozenset(usages)
    if signer == KUBELET_CLIENT:
        return _node_fault(request) or _client_fault(request, wanted)
    if signer == KUBELET_SERVING:
        return _node_fault(request) or _serving_fault(request, wanted)
    if signer == CLIENT:
        return _usage_fault(wanted, "client auth", exact=False)
    return None if signer == LEGACY else f"unknown signer {signer}"


def _node_fault(request: Request) -> str | None:
    if request.organizations != ("system:nodes",):
        return "subject organization is not system:nodes"
    if not request.common_name.startswith("system:node:"):
        return "subject common name does not begin with system:node: "
    return None


def _client_fault(request: Request, usages: frozenset[str]) -> str | None:
    for names, text in (
        (request.dns_names, "DNS"),
        (request.addresses, "IP"),
        (request.other_names, "email or URI"),
    ):
        if names:
            return f"{text} subjectAltNames are not allowed"
    return _usage_fault(usages, "client auth", exact=True)


def _serving_fault(request: Request, usages: frozenset[str]) -> str | None:
    if not request.dns_names and not request.addresses:
        return "DNS or IP subjectAltName is required"
    if request.other_names:
        return "email or URI subjectAltNames are not allowed"
    return _usage_fault(usages, "server auth", exact=True)


def _usage_fault(usages: frozenset[str], needed: str, *, exact: bool) -> str | None:
    if needed not in usages:
        return f"usage {needed!r} is required"
    if exact and not usages <= _BASE_USAGES | {needed}:
        return "usages did not match"
    return None
