"""`roost server`: the API server with its controllers and scheduler, wired together.

Everything is opened before anything is served, so that what is wrong is said in one line and nothing is
half started.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path
from time import perf_counter
from typing import Final

import msgspec
import yaml

from roost.adapters.real.chance import SystemChance
from roost.adapters.real.clock import SystemClock
from roost.adapters.real.files import DiskFiles
from roost.adapters.real.ids import RandomIds
from roost.api.kind import Kind, Resource
from roost.api.registry import builtin
from roost.api.schema.node import Node
from roost.api.values import Object
from roost.apiserver import components
from roost.apiserver.access.bootstrap.accounts import MANAGER, controller_user
from roost.apiserver.access.identity import AUTHENTICATED, MASTERS
from roost.apiserver.addons import add_addons
from roost.apiserver.admission import chain
from roost.apiserver.admission.noderestriction import NodeRestriction
from roost.apiserver.admission.registered import Registered
from roost.apiserver.admission.surroundings import Surroundings
from roost.apiserver.admission.usage import quota_matches, usage_of
from roost.apiserver.attributes import User
from roost.apiserver.authenticator import Authenticator
from roost.apiserver.authorizer import Authorizer, bootstrap
from roost.apiserver.bootstrap import Advertised, bootstrap_cluster
from roost.apiserver.core import Lookup
from roost.apiserver.customresources import CustomResources
from roost.apiserver.documents import reader
from roost.apiserver.http.callout import HttpCaller
from roost.apiserver.http.proxying import Proxies
from roost.apiserver.http.shell import HttpServer
from roost.apiserver.http.tls import client_context, server_context
from roost.apiserver.inprocess import Manner
from roost.apiserver.legacy_tokens import issue, marking
from roost.apiserver.pki.authority import Authority
from roost.apiserver.pki.files import PkiError
from roost.apiserver.pki.requests import AuthoritySigner
from roost.apiserver.pki.signing import SigningKeys, discovery
from roost.apiserver.reviews import handlers
from roost.apiserver.server import ApiServer
from roost.apiserver.static_tokens import StaticTokens, TokenFileError
from roost.apiserver.storetimes import TimedStore
from roost.apiserver.tokens import ISSUER
from roost.cli.access import (
    AccessError,
    open_audit,
    outside_tokens,
    trusted_clients,
    vouchers,
)
from roost.cli.faults import of_system, of_yaml
from roost.cli.identity import issue_node
from roost.cli.measures import (
    show_callers,
    show_controllers,
    show_process,
    show_scheduler,
    show_store,
)
from roost.cli.operations import (
    certificate_rules,
    expect_start,
    front_proxies,
    start_operations,
)
from roost.cli.places import Places
from roost.cli.secrets import keyring
from roost.cli.settings import Settings
from roost.client.informer import Informers
from roost.client.kubeconfig import Connection, kubeconfig_text
from roost.client.port import Client
from roost.client.recorder import EVENTS_REST_S
from roost.controllers.registry import ALL, EVERYWHERE, OWN, Setup, chosen, controllers
from roost.controllers.resourcequota import QuotaRules
from roost.controllers.servicecidr import DEFAULT_RANGE
from roost.decisions.meta import stamp
from roost.decisions.served import served_kinds
from roost.engine.discovered import Discovered
from roost.engine.engine import Engine
from roost.engine.scheduling import Scheduling
from roost.scheduler.profile import Profile, read_profiles
from roost.store.port import StoreError
from roost.store.sqlite import SqliteStore

SCHEDULER: Final = "scheduler"
QUOTAS: Final = Resource("", "v1", "resourcequotas")
_SCHEDULER: Final = User("system:kube-scheduler", (MASTERS, AUTHENTICATED))
#: How long controllers let changes of one resource gather while there are ever more of them.
_REST_S: Final = 0.004
#: How the server writes what is its own.
_OWN_MANNER: Final = Manner(rest_s=_REST_S, manager="kube-apiserver")


class ServerError(Exception):
    """The server cannot start; the message says why and what to do."""


#: What may go wrong at the start, each in one line.
SERVER_ERRORS: Final = (
    ServerError, AccessError, StoreError, PkiError, TokenFileError, PermissionError,
)  # fmt: skip


@dataclass(slots=True)
class Parts:
    """What the server is made of, opened."""

    api: ApiServer
    authority: Authority
    keys: SigningKeys
    authenticator: Authenticator
    authorizer: Authorizer
    proxies: Proxies
    clock: SystemClock
    chance: SystemChance
    registered: Registered
    caller: HttpCaller


def choose_controllers(text: str) -> tuple[str, ...]:
    """Return the names that --controllers chooses. Raises ServerError."""
    try:
        return chosen(text, (*ALL, SCHEDULER)) if text else ()
    except ValueError as error:
        raise ServerError(f"--controllers: {error}") from error


def choose_profiles(path: str) -> tuple[Profile, ...]:
    """Return the scheduler's profiles, by a file if one is named. Raises ServerError."""
    if not path:
        return (Profile(),)
    try:
        config = yaml.safe_load(Path(path).read_text())
        if not isinstance(config, dict):
            raise ServerError(f"scheduler_config {path} is no object")
        return read_profiles(config)
    except OSError as error:
        raise ServerError(f"scheduler_config {path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ServerError(f"scheduler_config {path} is no valid YAML: {of_yaml(error)}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ServerError(f"scheduler_config {path}: {error}") from error


async def serve(
    settings: Settings,
    places: Places,
    address: str,
    local_node: str,
    ready: Callable[[Connection], None],
) -> None:
    """Serve until cancelled; `ready` is called once, with the administrator's connection.

    `address` is where nodes and pods reach this server; `local_node` names a node of this machine that
    certificates are issued for. Raises ServerError, StoreError, PkiError.
    """
    names = choose_controllers(settings.controllers)
    profiles = choose_profiles(settings.scheduler_config)
    store = await SqliteStore.open(places.database, sealing=keyring(places))
    try:
        parts = await _open(store, places, settings)
        audit = open_audit(settings, parts.clock)
        parts.api.auditor = audit[0] if audit else None
        started = expect_start(parts.api)
        show_process(parts.api)
        server, port = await _listen(settings, parts, address)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(parts.api.run(), name="api")
                tasks.create_task(parts.authorizer.run(store), name="access")
                tasks.create_task(parts.registered.run(store), name="registered admission")
                await parts.api.ready()
                await parts.authorizer.ready()
                await parts.registered.ready()
                client = parts.api.client()
                await bootstrap_cluster(client, Advertised(address, port))
                await bootstrap(client)
                await start_operations(
                    tasks, parts.api, places, parts.authority, parts.clock, parts.chance
                )
                parts.registered.start()
                started()
                own_ports = frozenset({port, settings.kubelet_port}) if local_node else None
                _start_control(tasks, parts, names, own_ports, profiles, _pod_range(settings))
                admin = _write_admin(places, parts.authority, settings, port)
                if local_node:
                    await add_addons(client)
                    issue_node(parts.authority, places, local_node, address, admin.server)
                ready(admin)
        finally:
            parts.api.stopping = True
            await server.close()
            await parts.caller.close()
            if audit:
                audit[1].close()
    finally:
        await store.close()


async def _open(store: SqliteStore, places: Places, settings: Settings) -> Parts:
    clock, chance, ids, files = SystemClock(), SystemChance(), RandomIds(), DiskFiles()
    authority = Authority.open(files, str(places.pki), clock)
    keys = SigningKeys.open(files, str(places.pki))
    registry = builtin()
    timed = TimedStore(store)
    lookup = Lookup(timed, registry)
    static = StaticTokens(files, str(places.tokens))
    static.entries()  # a damaged file is better found now than at the first request
    authenticator = Authenticator(
        clock, keys, lookup, static,
        outside=outside_tokens(settings, clock),
        vouchers=vouchers(settings, authority.certificate),
        mark=marking(lambda: api.client(manner=_OWN_MANNER)),
    )  # fmt: skip
    authorizer = Authorizer()
    proxies = _proxies(authority, places, clock)

    async def write_quota(quota: Object) -> Object:
        namespace = quota["metadata"]["namespace"]
        return await api.client().update(QUOTAS, quota, namespace, subresource="status")

    def node(kind: Kind) -> Node:
        return api.core.node(kind)

    caller = HttpCaller()
    around = Surroundings(registry, ids, authorizer, node, lambda: stamp(clock.now()))
    registered = Registered(around, caller)
    plugins = chain.Chain(chain.plugins(authorizer, chance, write_quota, registered.plugins()))
    api = ApiServer(
        timed, registry, clock, chance, ids,
        authorizer=authorizer,
        admission=[plugins],
        handlers=handlers(
            authenticator, authorizer, keys, lookup, clock, ids,
            [chain.Chain([NodeRestriction(), *registered.plugins()])],
        ),
        documents={
            "/openid/v1/jwks": lambda: msgspec.json.encode(keys.jwks()),
            "/.well-known/openid-configuration": lambda: msgspec.json.encode(
                discovery(ISSUER, f"{ISSUER}/openid/v1/jwks")
            ),
        },
        fetcher=proxies,
    )  # fmt: skip
    CustomResources(api, caller)
    api.metrics.sources += [around.calls.families, around.checks.families]
    api.metrics.sources += [plugins.durations.families, timed.families]
    show_callers(api, authenticator)
    show_store(api, store)
    return Parts(
        api, authority, keys, authenticator, authorizer, proxies, clock, chance, registered, caller
    )


def _proxies(authority: Authority, places: Places, clock: SystemClock) -> Proxies:
    kubelet_client = authority.client(
        "kube-apiserver-kubelet-client", [MASTERS], keep_as="apiserver-kubelet-client"
    )
    context = client_context(authority.certificate.decode(), kubelet_client)
    return front_proxies(places, clock, context)


async def _listen(settings: Settings, parts: Parts, address: str) -> tuple[HttpServer, int]:
    extra = [name.strip() for name in settings.extra_names.split(",") if name.strip()]
    identity = parts.authority.server([address, *extra])
    ca = parts.authority.certificate.decode()
    http = HttpServer(parts.api, parts.authenticator, parts.proxies)
    try:
        tls = server_context(trusted_clients(settings, ca), identity)
        port = await http.listen(settings.bind_address, settings.port, tls)
    except OSError as error:
        raise ServerError(
            f"cannot listen on {settings.bind_address}:{settings.port}: "
            f"{of_system(error)}; choose another with --port"
        ) from error
    return http, port


def _pod_range(settings: Settings) -> tuple[IPv4Network | None, int]:
    text = settings.cluster_cidr
    return (IPv4Network(text) if text else None), settings.node_cidr_mask_size


def _start_control(
    tasks: asyncio.TaskGroup,
    parts: Parts,
    names: Sequence[str],
    node_ports: frozenset[int] | None,
    profiles: Sequence[Profile],
    pod_range: tuple[IPv4Network | None, int],
) -> None:
    """Start controllers and scheduler over one set of informers.

    `node_ports` are those of this machine, if it is a node too; then Services of type LoadBalancer get
    its address. `pod_range` is what nodes get pieces of, and how many bits long these are.
    """
    setup = Setup(
        ca_pem=parts.authority.certificate.decode(),
        served=served_kinds(builtin().kinds()),
        quota=QuotaRules(usage_of, quota_matches),
        certificates=certificate_rules(parts.authorizer),
        sign_token=partial(issue, parts.keys),
        node_ports=node_ports,
        cluster_cidr=pod_range[0],
        node_cidr_bits=pod_range[1],
        service_cidr=IPv4Network(DEFAULT_RANGE),
    )
    manager: Client = parts.api.client(MANAGER, rest_s=_REST_S)

    def own(name: str) -> Client:
        if name in of_server:
            return parts.api.client(manner=_OWN_MANNER)
        manner = Manner(rest_s=_REST_S, manager="kube-controller-manager", trusted=True)
        return parts.api.client(controller_user(name), manner=manner)

    of_server = {controller.name for controller in OWN}
    fixed = [name for name in names if name not in EVERYWHERE]
    engine = Engine(
        manager, parts.clock, parts.chance, (*controllers(fixed, setup), *OWN),
        signer=AuthoritySigner(parts.authority),
        reader=reader(parts.api, MANAGER, parts.proxies),
        clients=own,
        events_rest_s=EVENTS_REST_S, stopwatch=perf_counter,
    )  # fmt: skip
    show_controllers(parts.api, engine)
    discovered = Discovered(
        engine,
        setup.served,
        lambda served: controllers(
            [name for name in names if name in EVERYWHERE], replace(setup, served=served)
        ),
    )
    tasks.create_task(discovered.run(), name="controllers of all resources")
    tasks.create_task(engine.run(), name="controllers")
    parts.api.components.runs(components.CONTROLLERS)
    if SCHEDULER in names:
        _start_scheduler(tasks, parts, engine.informers, profiles)


def _start_scheduler(
    tasks: asyncio.TaskGroup, parts: Parts, informers: Informers, profiles: Sequence[Profile]
) -> None:
    scheduling = Scheduling(
        parts.api.client(_SCHEDULER), parts.clock, parts.chance,
        informers=informers, profiles=profiles,
        events_rest_s=EVENTS_REST_S, stopwatch=perf_counter,
    )  # fmt: skip
    show_scheduler(parts.api, scheduling)
    tasks.create_task(scheduling.run(), name="scheduler")
    parts.api.components.runs(components.SCHEDULER)


def _write_admin(places: Places, authority: Authority, settings: Settings, port: int) -> Connection:
    """Write the administrator's kubeconfig, and return its connection."""
    identity = authority.client("kubernetes-admin", [MASTERS], keep_as="admin")
    host = settings.bind_address
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - compared, not listened on
        host = "127.0.0.1"
    connection = Connection(
        server=f"https://{host}:{port}",
        ca=authority.certificate.decode(),
        certificate=identity.certificate.decode(),
        key=identity.key.decode(),
    )
    text = kubeconfig_text(connection).encode()
    DiskFiles().write_changed(str(places.admin_kubeconfig), text)
    return connection
