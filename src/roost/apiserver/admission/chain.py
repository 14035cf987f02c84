"""The order of the plugins, which is that of Kubernetes, and how to ask only those that matter.

`Chain` is itself a plugin: it knows which plugins look at which resource, so that a write asks few.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple, TypeAlias

from roost.apiserver.admission.accounts import ServiceAccount
from roost.apiserver.admission.adminaccess import DeviceAdminAccess
from roost.apiserver.admission.base import Base
from roost.apiserver.admission.certificates import (
    CertificateApproval,
    CertificateAuthor,
    CertificateSigning,
    CertificateSubjectRestriction,
)
from roost.apiserver.admission.durations import ADMIT, VALIDATE, WHOLE, Durations
from roost.apiserver.admission.escalation import RBACEscalation
from roost.apiserver.admission.ingress import DefaultIngressClass
from roost.apiserver.admission.limits import LimitRanger
from roost.apiserver.admission.namespaces import NamespaceLifecycle
from roost.apiserver.admission.nodefeatures import NodeDeclaredFeatureValidator
from roost.apiserver.admission.noderestriction import NodeRestriction
from roost.apiserver.admission.podsecurity import PodSecurity
from roost.apiserver.admission.port import Lookup, Plugin
from roost.apiserver.admission.priority import Priority
from roost.apiserver.admission.quota import ResourceQuota, Write
from roost.apiserver.admission.runtimeclass import RuntimeClass
from roost.apiserver.admission.storage import (
    DefaultStorageClass,
    PersistentVolumeClaimResize,
    StorageObjectInUseProtection,
)
from roost.apiserver.admission.tolerations import DefaultTolerationSeconds, TaintNodesByCondition
from roost.apiserver.attributes import Admission
from roost.apiserver.authorizer import Authorizer
from roost.ports.histogram import Histogram
from roost.ports.port import Chance


def plugins(
    authorizer: Authorizer, chance: Chance, write_quota: Write, webhooks: Sequence[Plugin] = ()
) -> list[Plugin]:
    """Return the plugins in order.

    `write_quota` replaces a quota's status (see quota.Write). `webhooks` are the policies and
    webhooks of users: they see what all others have filled in, and only quota comes after them.
    """
    return [
        NamespaceLifecycle(),
        LimitRanger(),
        ServiceAccount(chance),
        NodeRestriction(),
        TaintNodesByCondition(),
        PodSecurity(),
        Priority(),
        DefaultTolerationSeconds(),
        DefaultStorageClass(),
        StorageObjectInUseProtection(),
        PersistentVolumeClaimResize(),
        RuntimeClass(),
        CertificateApproval(authorizer),
        CertificateSigning(authorizer),
        CertificateSubjectRestriction(),
        DefaultIngressClass(),
        NodeDeclaredFeatureValidator(),
        *webhooks,
        CertificateAuthor(),
        ResourceQuota(write_quota),
        RBACEscalation(authorizer),
        DeviceAdminAccess(),
    ]


#: A plugin's method for one step, the plugin's name, and where is counted what it takes.
_Member: TypeAlias = tuple[Callable[[Admission, Lookup], Coroutine[Any, Any, None]], str, Histogram]


class _Row(NamedTuple):
    """Who is asked in one step about an operation on a resource."""

    members: tuple[_Member, ...]
    whole: Histogram


class Chain:
    """Plugins as one, asked by resource. A plugin without `resources` is asked for everything."""

    name = "Chain"

    def __init__(self, members: Sequence[Plugin]) -> None:
        self._members = tuple(members)
        self.durations = Durations()
        #: By group, plural, operation and step.
        self._rows: dict[tuple[str, str, str, str], _Row] = {}

    async def admit(self, request: Admission, lookup: Lookup) -> None:
        """Ask every plugin that may change such an object; again if users' own ones did."""
        await self._ask(ADMIT, request, lookup)
        rounds = request.reinvocation
        if rounds is not None and rounds.wanted and not rounds.second:
            rounds.second = True
            await self._ask(ADMIT, request, lookup)

    async def validate(self, request: Admission, lookup: Lookup) -> None:
        """Ask every plugin that may refuse such an object."""
        await self._ask(VALIDATE, request, lookup)

    async def _ask(self, step: str, request: Admission, lookup: Lookup) -> None:
        key = (request.kind.group, request.kind.plural, request.operation, step)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = self._row(*key)
        if not row.members:
            return
        now = asyncio.get_running_loop().time
        first = begun = now()
        name = ""
        try:
            for ask, name, took in row.members:  # noqa: B007 - who refused is told below
                await ask(request, lookup)
                end = now()
                took.observe(end - begun)
                begun = end
        except BaseException:
            end, of = now(), self.durations.of
            of(name, request.operation, step, rejected=True).observe(end - begun)
            of(WHOLE, request.operation, step, rejected=True).observe(end - first)
            raise
        row.whole.observe(begun - first)

    def _row(self, group: str, plural: str, operation: str, step: str) -> _Row:
        of = self.durations.of
        members = tuple(
            (getattr(plugin, step), plugin.name, of(plugin.name, operation, step))
            for plugin in self._members
            if _looks_at(plugin, (group, plural)) and _has(plugin, step)
        )
        return _Row(members, of(WHOLE, operation, step))


def _looks_at(plugin: Plugin, resource: tuple[str, str]) -> bool:
    resources: Any = getattr(plugin, "resources", None)
    return resources is None or resource in resources


def _has(plugin: Plugin, method: str) -> bool:
    """Does a plugin do anything of its own in a method?"""
    return getattr(type(plugin), method) is not getattr(Base, method)
