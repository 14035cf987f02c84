"""Namespaces end when all they hold is gone: delete it (pods first), report, finalize.

The caches say what is left; before the namespace is finalized the server itself is asked, because what a
cache does not show may still be there. Events are not cached: they are deleted unseen. Nothing happens
in the first second, and the last step waits another one where there was content: other servers may
still be letting something in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from roost.api.kind import Resource
from roost.api.values import Object
from roost.decisions import conditions
from roost.decisions.controller import Caches, Controller, Key, Watch, own_key
from roost.decisions.meta import deleting, name_of, ref_of, seconds_of, stamp
from roost.decisions.plan import (
    NOTHING,
    Action,
    AssertEmpty,
    Delete,
    DeleteAll,
    Plan,
    Update,
)
from roost.decisions.resources import NAMESPACES, PODS
from roost.decisions.served import Served

_FINALIZER = "kubernetes"
#: What a namespace's end deletes per decision; the rest follows when this is seen to be gone.
_BATCH = 1000
#: Stamps are whole seconds, so that of these at least what is beyond one second is waited for.
_START_AFTER_S = 1.5
_FINALIZE_AFTER_S = 1.2

#: type -> (reason, message) when all is well.
_FINE = {
    "NamespaceDeletionDiscoveryFailure": (
        "ResourcesDiscovered",
        "All resources successfully discovered",
    ),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": (
        "ContentHasNoFinalizers",
        "All content-preserving finalizers finished",
    ),
}


@dataclass(frozen=True, slots=True)
class View:
    """A namespace that is being deleted, and what is in it."""

    namespace: Object
    content: tuple[tuple[Resource, tuple[Object, ...]], ...]
    cached: tuple[Resource, ...]
    uncached: tuple[Resource, ...]
    now: float


def reconcile(view: View) -> Plan:
    """Decide what to delete next, what to report, and whether it is over."""
    namespace = view.namespace
    finalizers = (namespace.get("spec") or {}).get("finalizers") or []
    if not deleting(namespace) or _FINALIZER not in finalizers:
        return NOTHING
    start = seconds_of(namespace["metadata"]["deletionTimestamp"]) + _START_AFTER_S
    if view.now < start:
        return Plan(wake_at=start)
    content = dict(view.content)
    first = {PODS: content[PODS]} if content.get(PODS) else content
    deletions = [
        Delete(ref_of(resource, obj), propagation="Background")
        for resource, objects in first.items()
        for obj in objects
        if not deleting(obj)
    ]
    actions: list[Action] = [*deletions[:_BATCH]]
    updated, status_written = _report(view, content)
    actions += status_written
    settled = _settled_at(updated)
    if not content and view.now < settled:
        return Plan(tuple(actions), settled)
    if not content:
        name = name_of(namespace)
        spec = {**namespace["spec"], "finalizers": [f for f in finalizers if f != _FINALIZER]}
        metadata = dict(updated["metadata"])
        if status_written:
            metadata.pop("resourceVersion", None)  # the status update has just changed it
        actions += [DeleteAll(resource, name) for resource in view.uncached]
        actions.append(AssertEmpty(name, (*view.cached, *view.uncached)))
        actions.append(
            Update(NAMESPACES, {**updated, "metadata": metadata, "spec": spec}, "finalize")
        )
    return Plan(tuple(actions))


def _settled_at(namespace: Object) -> float:
    """Return when a namespace that had content has been without for long enough."""
    known = (namespace.get("status") or {}).get("conditions")
    remaining = conditions.find(known, "NamespaceContentRemaining") or {}
    discovery = conditions.find(known, "NamespaceDeletionDiscoveryFailure") or {}
    changed, first = remaining.get("lastTransitionTime"), discovery.get("lastTransitionTime")
    return seconds_of(changed) + _FINALIZE_AFTER_S if changed != first else 0.0


def _report(view: View, content: dict[Resource, tuple[Object, ...]]) -> tuple[Object, list[Action]]:
    namespace, now = view.namespace, stamp(view.now)
    wrong = _remaining(content)
    old = (namespace.get("status") or {}).get("conditions")
    new = list(old or ())
    for kind, (reason, message) in _FINE.items():
        status = "False"
        if kind in wrong:
            status, (reason, message) = "True", wrong[kind]
        known = conditions.find(new, kind)
        same = known is not None and (
            known["status"], known.get("reason"), known.get("message"),
        ) == (status, reason, message)  # fmt: skip
        if not same:
            new = conditions.put(new, conditions.make(kind, status, reason, message, now))
    phase = (namespace.get("status") or {}).get("phase")
    if new == old and phase == "Terminating":
        return namespace, []
    status_object = {**(namespace.get("status") or {}), "phase": "Terminating", "conditions": new}
    updated = {**namespace, "status": status_object}
    return updated, [Update(NAMESPACES, updated, "status")]


def _remaining(content: dict[Resource, tuple[Object, ...]]) -> dict[str, tuple[str, str]]:
    if not content:
        return {}
    listed = sorted(
        f"{resource.plural}.{resource.group} has {len(objects)} resource instances"
        for resource, objects in content.items()
    )
    found = {
        "NamespaceContentRemaining": (
            "SomeResourcesRemain",
            "Some resources are remaining: " + ", ".join(listed),
        )
    }
    finalizers = Counter(
        finalizer
        for objects in content.values()
        for obj in objects
        for finalizer in obj["metadata"].get("finalizers") or ()
    )
    if finalizers:
        texts = [f"{name} in {n} resource instances" for name, n in sorted(finalizers.items())]
        found["NamespaceFinalizersRemaining"] = (
            "SomeFinalizersRemain",
            "Some content in the namespace has finalizers remaining: " + ", ".join(texts),
        )
    return found


def _content_keys(obj: Object, caches: Caches) -> Iterable[Key]:
    name = obj["metadata"].get("namespace", "")
    namespace = caches[NAMESPACES].get("", name)
    return (Key("", name),) if namespace is not None and deleting(namespace) else ()


def _view_of(
    cached: Sequence[Resource], uncached: Sequence[Resource]
) -> Callable[[Caches, Key, float], View | None]:
    def view(caches: Caches, key: Key, now: float) -> View | None:
        namespace = caches[NAMESPACES].get("", key.name)
        if namespace is None or not deleting(namespace):
            return None
        content = (
            (resource, tuple(caches[resource].all(key.name)) if key.name else ())
            for resource in cached
        )
        held = tuple((resource, objects) for resource, objects in content if objects)
        return View(namespace, held, tuple(cached), tuple(uncached), now)

    return view


def namespace_controller(served: Iterable[Served]) -> Controller[View]:
    """Return the controller for a server that serves these resources."""
    resources = [s.resource for s in served if s.namespaced]
    uncached = [r for r in resources if r.plural == "events"]
    cached = [r for r in resources if r not in uncached]
    return Controller(
        name="namespace-controller",
        watches=(
            Watch(NAMESPACES, own_key),
            *(Watch(resource, _content_keys) for resource in cached),
        ),
        view=_view_of(cached, uncached),
        reconcile=reconcile,
    )
