"""The order of the plugins, which is that of Kubernetes, and how to ask only those that matter.

`Chain` is itself a plugin: it knows which plugins look at which resource, so that a write asks few.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeAlias

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


_Row: TypeAlias = tuple[tuple[Plugin, Histogram], ...]


class Chain:
    """Plugins as one, asked by resource. A plugin without `resources` is asked for everything."""

    name = "Chain"

    def __init__(self, members: Sequence[Plugin]) -> None:
        self._members = tuple(members)
        self.durations = Durations()
        self._timed: dict[tuple[tuple[Plugin, ...], str, str], _Row] = {}
        self._asked: dict[tuple[str, str], tuple[tuple[Plugin, ...], tuple[Plugin, ...]]] = {}

    async def admit(self, request: Admission, lookup: Lookup) -> None:
        """Ask every plugin that may change such an object; again if users' own ones did."""
        concerned = self._concerned(request)[0]
        await self._ask(concerned, ADMIT, request, lookup)
        rounds = request.reinvocation
        if rounds is not None and rounds.wanted and not rounds.second:
            rounds.second = True
            await self._ask(concerned, ADMIT, request, lookup)

    async def validate(self, request: Admission, lookup: Lookup) -> None:
        """Ask every plugin that may refuse such an object."""
        await self._ask(self._concerned(request)[1], VALIDATE, request, lookup)

    async def _ask(
        self, concerned: tuple[Plugin, ...], step: str, request: Admission, lookup: Lookup
    ) -> None:
        if not concerned:
            return
        now = asyncio.get_running_loop().time
        row = self._timed.get((concerned, step, request.operation))
        if row is None:
            row = self._row(concerned, step, request.operation)
        first = begun = now()
        asked = ""
        try:
            for plugin, took in row:
                asked = plugin.name
                if step is ADMIT:
                    await plugin.admit(request, lookup)
                else:
                    await plugin.validate(request, lookup)
                end = now()
                took.observe(end - begun)
                begun = end
            asked = ""
        finally:
            rejected, end, of = bool(asked), now(), self.durations.of
            if rejected:
                of(asked, request.operation, step, rejected=True).observe(end - begun)
            of(WHOLE, request.operation, step, rejected=rejected).observe(end - first)

    def _row(self, concerned: tuple[Plugin, ...], step: str, operation: str) -> _Row:
        """Return plugins, each with where the time that it takes is counted."""
        row = tuple((one, self.durations.of(one.name, operation, step)) for one in concerned)
        self._timed[concerned, step, operation] = row
        return row

    def _concerned(self, request: Admission) -> tuple[tuple[Plugin, ...], tuple[Plugin, ...]]:
        key = (request.kind.group, request.kind.plural)
        found = self._asked.get(key)
        if found is None:
            concerned = [plugin for plugin in self._members if _looks_at(plugin, key)]
            found = self._asked[key] = (
                tuple(plugin for plugin in concerned if _has(plugin, "admit")),
                tuple(plugin for plugin in concerned if _has(plugin, "validate")),
            )
        return found


def _looks_at(plugin: Plugin, resource: tuple[str, str]) -> bool:
    resources: Any = getattr(plugin, "resources", None)
    return resources is None or resource in resources


def _has(plugin: Plugin, method: str) -> bool:
    """Does a plugin do anything of its own in a method?"""
    return getattr(type(plugin), method) is not getattr(Base, method)
