"""Namespaces end when all they hold is gone: delete it (pods first), report, finalize.

The caches say what is left; before the namespace is finalized the server itself is asked, because what a
cache does not show may still be there. Events are not cached: they are deleted unseen. Nothing happens
in the first second, and the last step waits another one where there was content: other servers may
still be letting something in. While an aggregated API cannot be asked, no namespace ends: it may hold
some of its content.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from roost.api.errors import StatusError
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
from roost.decisions.pods import finished
from roost.decisions.resources import API_SERVICES, NAMESPACES, PODS
from roost.decisions.served import Served

_FINALIZER = "kubernetes"
#: What a namespace's end deletes per decision; the rest follows when this is seen to be gone.
_BATCH = 1000
#: Stamps are whole seconds, so that of these at least what is beyond one second is waited for.
_START_AFTER_S = 1.5
_FINALIZE_AFTER_S = 1.2

_CONTENT = "NamespaceDeletionContentFailure"
_FAILED = "ContentDeletionFailed"

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
    _CONTENT: (
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
    #: Group versions of other servers that cannot be asked, in order.
    unavailable: tuple[str, ...] = ()


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
    left = {resource: stays for resource, objects in first.items() if (stays := _staying(objects))}
    late, due = _late_pods(view, left.get(PODS, ()))
    updated, status_written = _report(view, _wrong(view, left, late=late))
    actions += status_written
    settled = _settled_at(namespace, updated)
    if content or view.unavailable:
        return Plan(tuple(actions), due)
    if view.now < settled:
        return Plan(tuple(actions), settled)
    name = name_of(namespace)
    spec = {**namespace["spec"], "finalizers": [f for f in finalizers if f != _FINALIZER]}
    metadata = dict(updated["metadata"])
    if status_written:
        metadata.pop("resourceVersion", None)  # the status update has just changed it
    actions += [DeleteAll(resource, name) for resource in view.uncached]
    actions.append(AssertEmpty(name, (*view.cached, *view.uncached)))
    actions.append(Update(NAMESPACES, {**updated, "metadata": metadata, "spec": spec}, "finalize"))
    return Plan(tuple(actions))


def refused(view: View, action: Action, error: StatusError) -> Plan:
    """Say in the status that something could not be deleted."""
    if not isinstance(action, Delete | DeleteAll):
        return NOTHING
    message = f"Failed to delete all resource types, 1 remaining: {error.message}"
    wrong = {**_wrong(view, dict(view.content), late=False), _CONTENT: (_FAILED, message)}
    return Plan(tuple(_report(view, wrong)[1]))


def _staying(objects: Sequence[Object]) -> tuple[Object, ...]:
    """Return what does not go with its deletion at once: what is held, and pods with a grace period."""
    return tuple(
        obj
        for obj in objects
        if obj["metadata"].get("finalizers")
        or deleting(obj)
        or (obj.get("spec") or {}).get("nodeName")
    )


def _late_pods(view: View, pods: Sequence[Object]) -> tuple[bool, float | None]:
    """Say whether pods outlive their grace period with nothing that holds them, and if not, when."""
    if not pods or any(pod["metadata"].get("finalizers") for pod in pods):
        return False, None
    graces = [
        (pod.get("spec") or {}).get("terminationGracePeriodSeconds") or 0
        for pod in pods
        if not finished(pod)
    ]
    end = seconds_of(view.namespace["metadata"]["deletionTimestamp"]) + max(graces, default=0)
    return (True, None) if view.now >= end else (False, end)


def _settled_at(stored: Object, updated: Object) -> float:
    """Return when a namespace has been without content for long enough: one that never had, now."""
    if not (stored.get("status") or {}).get("conditions"):
        return 0.0
    known = updated["status"]["conditions"]
    remaining = conditions.find(known, "NamespaceContentRemaining") or {}
    return seconds_of(remaining.get("lastTransitionTime")) + _FINALIZE_AFTER_S


def _report(view: View, wrong: dict[str, tuple[str, str]]) -> tuple[Object, list[Action]]:
    namespace, now = view.namespace, stamp(view.now)
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


def _wrong(
    view: View, left: dict[Resource, tuple[Object, ...]], *, late: bool
) -> dict[str, tuple[str, str]]:
    """Return reason and message of what is not well, by the type of the condition."""
    found = _remaining(left) if left else {}
    if view.unavailable:
        failures = ", ".join(
            f"{one}: stale GroupVersion discovery: {one}" for one in view.unavailable
        )
        found["NamespaceDeletionDiscoveryFailure"] = (
            "DiscoveryFailed",
            (
                f"Discovery failed for some groups, {len(view.unavailable)} failing: "
                f"unable to retrieve the complete list of server APIs: {failures}"
            ),
        )
    if late:
        found[_CONTENT] = (
            _FAILED,
            (
                "Failed to delete all resource types, 1 remaining: unexpected items still remain "
                f"in namespace: {name_of(view.namespace)} for gvr: /v1, Resource=pods"
            ),
        )
    return found


def _remaining(content: dict[Resource, tuple[Object, ...]]) -> dict[str, tuple[str, str]]:
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


def _unavailable(service: Object) -> str:
    """Return the group version of an API of another server that cannot be asked, else ""."""
    spec = service.get("spec") or {}
    if not spec.get("service") or conditions.is_true(
        (service.get("status") or {}).get("conditions"), "Available"
    ):
        return ""
    return f"{spec['group']}/{spec['version']}"


def _going_keys(_service: Object, caches: Caches) -> Iterable[Key]:
    return [Key("", name_of(one)) for one in caches[NAMESPACES].all() if deleting(one)]


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
        unavailable = sorted(filter(None, map(_unavailable, caches[API_SERVICES].all())))
        return View(namespace, held, tuple(cached), tuple(uncached), now, tuple(unavailable))

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
            Watch(API_SERVICES, _going_keys),
            *(Watch(resource, _content_keys) for resource in cached),
        ),
        view=_view_of(cached, uncached),
        reconcile=reconcile,
        refused=refused,
    )
