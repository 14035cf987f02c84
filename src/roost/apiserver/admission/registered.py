"""The users' own admission, kept as it is in the store: webhooks and policies, compiled.

`run` follows the store. A change makes anew what it touches, and requests that come after it see that;
nothing here costs a request anything while there are no webhooks and no policies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from roost.api.values import Object
from roost.apiserver.admission.configured import Stage
from roost.apiserver.admission.matching import GROUP
from roost.apiserver.admission.policies.compiled import policies_of
from roost.apiserver.admission.policies.mutating import MutatingPolicies
from roost.apiserver.admission.policies.validating import ValidatingPolicies
from roost.apiserver.admission.port import Plugin
from roost.apiserver.admission.surroundings import Surroundings, Table
from roost.apiserver.admission.webhooks.hooks import hooks_of
from roost.apiserver.admission.webhooks.mutating import MutatingWebhooks
from roost.apiserver.admission.webhooks.port import Caller
from roost.apiserver.admission.webhooks.validating import ValidatingWebhooks
from roost.apiserver.keys import ROOT
from roost.store.port import Compacted, Event, Store

_PREFIX: Final = f"{ROOT}{GROUP}/"


class Registered:
    """The four plugins that users configure, and the configuration itself."""

    def __init__(self, around: Surroundings, caller: Caller) -> None:
        self._stage = stage = Stage()
        self._mutating_policies = MutatingPolicies(stage, around)
        self._mutating_webhooks = MutatingWebhooks(stage, around, caller)
        self._validating_policies = ValidatingPolicies(stage, around)
        self._validating_webhooks = ValidatingWebhooks(stage, around, caller)
        self._makers = {
            "mutatingadmissionpolicies": self._make_mutating_policies,
            "mutatingadmissionpolicybindings": self._make_mutating_policies,
            "mutatingwebhookconfigurations": self._make_mutating_webhooks,
            "validatingadmissionpolicies": self._make_validating_policies,
            "validatingadmissionpolicybindings": self._make_validating_policies,
            "validatingwebhookconfigurations": self._make_validating_webhooks,
        }
        #: plural -> name -> object
        self._objects: dict[str, dict[str, Object]] = {plural: {} for plural in self._makers}

    def plugins(self) -> list[Plugin]:
        """Return the plugins in the order in which they run."""
        return [
            self._mutating_policies,
            self._mutating_webhooks,
            self._validating_policies,
            self._validating_webhooks,
        ]

    async def run(self, store: Store) -> None:
        """Keep to what is stored until cancelled."""
        revision = await self._load(store)
        self._stage.loaded.set()
        while True:
            try:
                async for batch in store.watch(_PREFIX, revision):
                    self.apply(batch)
            except Compacted:
                revision = await self._load(store)

    async def ready(self) -> None:
        """Return once `run` has taken in all that is there."""
        await self._stage.loaded.wait()

    def start(self) -> None:
        """Ask about the server's own writes too, from now on: it has written what it needs."""
        self._stage.started = True

    async def _load(self, store: Store) -> int:
        page = await store.list(_PREFIX)
        for objects in self._objects.values():
            objects.clear()
        for record in page.records:
            plural, name = _address(record.key)
            if plural in self._objects:
                self._objects[plural][name] = record.object
        self._make(self._objects)
        return page.revision

    def apply(self, events: Sequence[Event]) -> None:
        """Take in changes, in order."""
        touched: dict[str, None] = {}
        for event in events:
            plural, name = _address(event.key)
            objects = self._objects.get(plural)
            if objects is None:
                continue
            if event.deleted:
                objects.pop(name, None)
            else:
                before = objects.get(name)
                objects[name] = event.record.object
                if before is not None and _says_the_same(before, event.record.object):
                    continue
            touched[plural] = None
        self._make(touched)

    def _make(self, plurals: Iterable[str]) -> None:
        for make in {self._makers[plural] for plural in plurals}:
            make()

    def _all(self, plural: str) -> list[Object]:
        return list(self._objects[plural].values())

    def _make_mutating_webhooks(self) -> None:
        hooks = hooks_of(self._all("mutatingwebhookconfigurations"))
        self._mutating_webhooks.table = Table(hooks)

    def _make_validating_webhooks(self) -> None:
        hooks = hooks_of(self._all("validatingwebhookconfigurations"))
        self._validating_webhooks.table = Table(hooks)

    def _make_mutating_policies(self) -> None:
        policies = policies_of(
            self._all("mutatingadmissionpolicies"), self._all("mutatingadmissionpolicybindings")
        )
        self._mutating_policies.table = Table(policies)

    def _make_validating_policies(self) -> None:
        policies = policies_of(
            self._all("validatingadmissionpolicies"),
            self._all("validatingadmissionpolicybindings"),
        )
        self._validating_policies.table = Table(policies)


def _address(key: str) -> tuple[str, str]:
    plural, _, name = key[len(_PREFIX) :].partition("/")
    return plural, name


def _says_the_same(old: Object, new: Object) -> bool:
    """Did only status or metadata change?"""
    return old.get("spec") == new.get("spec") and old.get("webhooks") == new.get("webhooks")
