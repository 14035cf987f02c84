"""Wires what an operator looks at and relies on: health, flows, APIServices, metrics of controllers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Final

from roost.adapters.real.files import DiskFiles
from roost.api.values import Object
from roost.apiserver.aggregation import frontproxy
from roost.apiserver.aggregation.upkeep import Services
from roost.apiserver.attributes import Attributes, User
from roost.apiserver.authorizer import Authorizer
from roost.apiserver.fairness.upkeep import Upkeep, bootstrap_flows
from roost.apiserver.health import READYZ
from roost.apiserver.http.proxying import Proxies
from roost.apiserver.pki.authority import Authority
from roost.apiserver.pki.requests import read_request
from roost.apiserver.server import ApiServer
from roost.cli.places import Places
from roost.client.informer import Delta, Informers
from roost.client.kubeconfig import Connection
from roost.controllers.certificates import CertificateRules
from roost.decisions.resources import CERTIFICATE_SIGNING_REQUESTS as REQUESTS
from roost.decisions.resources import NODES
from roost.ports.port import Chance, WallClock

#: Steps of a start, by the names under which monitoring knows them.
_HOOKS: Final = (
    "rbac/bootstrap-roles",
    "scheduling/bootstrap-system-priority-classes",
    "start-system-namespaces-controller",
    "bootstrap-controller",
    "start-kubernetes-service-cidr-controller",
    "start-cluster-authentication-info-controller",
    "priority-and-fairness-config-producer",
    "priority-and-fairness-config-consumer",
    "apiservice-registration-controller",
    "kube-apiserver-autoregistration",
)


def certificate_rules(authorizer: Authorizer) -> CertificateRules:
    """Return what the controllers of certificates ask this server about."""

    def may(spec: Object, subresource: str) -> bool:
        extra = {key: tuple(values) for key, values in (spec.get("extra") or {}).items()}
        author = User(
            spec.get("username", ""), tuple(spec.get("groups") or ()), spec.get("uid", ""), extra
        )
        asked = Attributes(
            author, "create", REQUESTS.group, REQUESTS.version, REQUESTS.plural, subresource
        )
        return authorizer.authorize(asked).allowed

    return CertificateRules(read_request, may)


def expect_start(api: ApiServer) -> Callable[[], None]:
    """Make a server unready until what this returns is called: when everything of a start is there."""
    steps = [api.health.hook(name) for name in _HOOKS]
    steps.append(api.health.step("autoregister-completion"))
    ending = "process is shutting down"
    api.health.add("shutdown", lambda: ending if api.stopping else "", (READYZ,))

    def done() -> None:
        for step in steps:
            step()

    return done


def front_proxies(places: Places, clock: WallClock, kubelets: ssl.SSLContext) -> Proxies:
    """Return what carries requests to kubelets, pods, services and extension servers."""
    front = front_authority(places, clock)
    identity = front.client(frontproxy.CLIENT_NAME, keep_as="client")
    own = Connection("", "", identity.certificate.decode(), identity.key.decode())

    def context(ca: str) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        if ca:
            made.load_verify_locations(cadata=ca)
        else:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        own.load_certificate(made)
        return made

    return Proxies(kubelets, context)


def front_authority(places: Places, clock: WallClock) -> Authority:
    """Return the authority of what extension servers believe: not the cluster's, which signs users."""
    directory = str(places.pki / "front-proxy")
    return Authority.open(DiskFiles(), directory, clock, "roost-front-proxy-ca")


def _measure_nodes(api: ApiServer, informers: Informers) -> None:
    """Serve metrics.k8s.io for as long as there is a node."""
    metrics = api.node_metrics
    if metrics is None:
        return
    nodes = informers.informer(NODES)

    def count(_deltas: Sequence[Delta]) -> None:
        metrics.present = next(iter(nodes.cache.all()), None) is not None

    nodes.listen(count)


async def start_operations(
    tasks: asyncio.TaskGroup,
    api: ApiServer,
    places: Places,
    authority: Authority,
    clock: WallClock,
    chance: Chance,
) -> None:
    """Make the objects that have to be there, and keep them."""
    client = api.client()
    front = front_authority(places, clock)
    await frontproxy.publish(client, authority.certificate.decode(), front.certificate.decode())
    await bootstrap_flows(client)
    informers = Informers(client, chance)
    upkeep = Upkeep(api.flows, client, clock, informers)
    complete = asyncio.Event()
    services = Services(api.group_versions, client, clock, informers, api.remotes, complete.set)
    _measure_nodes(api, informers)
    tasks.create_task(informers.run(), name="informers of the server")
    tasks.create_task(upkeep.run(), name="flows")
    tasks.create_task(services.run(), name="apiservices")
    await complete.wait()
