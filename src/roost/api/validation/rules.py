"""The rules of a kind: what all kinds share, and what this one adds, in the real server's order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from roost.api.errors import Cause
from roost.api.kind import Change
from roost.api.validation import metadata
from roost.api.validation.causes import Causes

#: Looks at a change and adds causes.
Rule: TypeAlias = Callable[[Change, Causes], None]


#: Of metadata: what only the check of the whole looks at.
_WHOLE_ONLY = ("generateName", "finalizers")


@dataclass(frozen=True, slots=True)
class Rules:
    """The `validate` hook of a kind.

    `create` sees new objects, `update` changed ones; `always` is for both, and runs after `update`.
    `whole`: an update checks all metadata again, as most of the real server's rules do.
    `before`: `always` comes before the update rules. `warn` adds to `change.warnings`, for a write
    of the status `warn_of_status` does.
    `first` sees what is to be created or changed before all else; what it refuses is all that is said.
    """

    always: Rule | None = None
    first: Rule | None = None
    create: Rule | None = None
    update: Rule | None = None
    status: Rule | None = None
    others: Mapping[str, Rule] = field(default_factory=dict)
    warn: Callable[[Change], None] | None = None
    warn_of_status: Callable[[Change], None] | None = None
    namespaced: bool = True
    name_rule: str = "subdomain"
    strict_finalizers: bool = True
    whole: bool = True
    before: bool = False

    def __call__(self, change: Change) -> list[Cause]:
        causes = Causes()
        if self.first is not None and not change.subresource:
            self.first(change, causes)
            if causes:
                return causes
        if change.old is None:
            self._whole(change, causes)
            for rule in (self.always, self.create):
                if rule is not None:
                    rule(change, causes)
        else:
            self._on_update(change, causes)
        warn = {"": self.warn, "status": self.warn_of_status}.get(change.subresource)
        if warn is not None and not causes:
            warn(change)
        return causes

    def _whole(self, change: Change, causes: Causes) -> None:
        metadata.on_create(
            change.object.get("metadata") or {},
            causes,
            namespaced=self.namespaced,
            name_rule=self.name_rule,
            strict_finalizers=self.strict_finalizers,
        )

    def _on_update(self, change: Change, causes: Causes) -> None:
        new = change.object.get("metadata") or {}
        old = (change.old or {}).get("metadata") or {}
        metadata.on_update(new, old, causes)
        if causes:  # the registry and then the kind's own rules look at metadata: it is said twice
            metadata.on_update(new, old, causes)
        if change.subresource:
            rule = self.status if change.subresource == "status" else None
            rule = self.others.get(change.subresource, rule)
            if rule is not None:
                rule(change, causes)
        # Whatever the real server lets through here, what is stored must stay good for the next write.
        changed = any(new.get(key) != old.get(key) for key in _WHOLE_ONLY)
        if (self.whole and not change.subresource) or (changed and not causes):
            self._whole(change, causes)
        if change.subresource:
            return
        steps = (self.always, self.update) if self.before else (self.update, self.always)
        for step in steps:
            if step is not None:
                step(change, causes)
