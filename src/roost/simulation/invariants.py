"""What must be true after every write, whatever fails meanwhile; and who looks that it is.

Each invariant is a function of one change and a view of the world that yields what is broken. Rule: it
holds only what Kubernetes promises even while parts of it are down; what it promises once it is left
alone is in simulation.atrest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from roost.api.selectors import label_selector
from roost.api.values import Object
from roost.decisions import conditions
from roost.decisions.meta import deleting, labels_of, namespace_of
from roost.decisions.pods import finished, node_of, phase_of, ready
from roost.decisions.requests import PODS, add, amounts, pod_requests
from roost.simulation.faults import Injector, World
from roost.simulation.mirrors import Mirrors
from roost.simulation.view import View, Violation, name_in
from roost.store.port import Event

#: So many violations are kept: the first tell most.
_KEPT: Final = 100
_EVICTED: Final = "EvictionByEvictionAPI"


class Violated(AssertionError):
    """Invariants do not hold. The text tells the seed, the violations and the last lines of the log."""

    def __init__(self, seed: int, violations: list[Violation], log: list[str]) -> None:
        self.seed = seed
        self.violations = violations
        lines = [f"seed {seed}: {len(violations)} broken", *map(str, violations)]
        super().__init__("\n".join((*lines, "the last that happened:", *log)))


# -- any object ---------------------------------------------------------------------------------


def identity_is_kept(event: Event, view: View) -> Iterator[str]:
    """An object keeps its uid and time of birth, and grows only newer."""
    del view
    if event.previous is None:
        return
    old, new = event.previous.object.get("metadata"), event.record.object.get("metadata")
    if not old or not new:
        return
    for field in ("uid", "creationTimestamp", "name", "namespace"):
        if old.get(field) != new.get(field):
            yield f"{event.key}: {field} was {old.get(field)}, is {new.get(field)}"
    if old.get("generation", 0) > new.get("generation", 0):
        yield f"{event.key}: generation fell from {old['generation']} to {new.get('generation')}"
    if old.get("deletionTimestamp") and not new.get("deletionTimestamp"):
        yield f"{event.key}: it is no longer being deleted"
    if new.get("resourceVersion") != str(event.revision):
        yield f"{event.key}: says revision {new.get('resourceVersion')}, is at {event.revision}"


def observed_is_not_ahead(event: Event, view: View) -> Iterator[str]:
    """No status tells of a generation that has not been."""
    del view
    obj = event.record.object
    status = obj.get("status")
    seen = status.get("observedGeneration") if isinstance(status, dict) else None
    generation = obj.get("metadata", {}).get("generation")
    if seen is not None and generation is not None and seen > generation:
        yield f"{event.key}: observed generation {seen} of {generation}"


def nothing_is_born_in_an_ending_namespace(event: Event, view: View) -> Iterator[str]:
    """No object appears in a namespace that is being deleted (but Events, and by grace of the server
    what the namespace's own end needs)."""
    namespace = event.record.object.get("metadata", {}).get("namespace")
    if event.previous is not None or event.deleted or not namespace:
        return
    place = view.find("core/namespaces", namespace)
    if place is None or deleting(place):
        yield f"{event.key}: was created, but its namespace ends"


# -- pods ---------------------------------------------------------------------------------------


def pod_goes_forward(event: Event, view: View) -> Iterator[str]:
    """A pod is bound once, ends once, and its containers' restarts only grow."""
    del view
    if event.previous is None:
        return
    old, new = event.previous.object, event.record.object
    if node_of(old) and node_of(old) != node_of(new):
        yield f"{event.key}: moved from {node_of(old)} to {node_of(new) or 'no node'}"
    if finished(old) and phase_of(old) != phase_of(new):
        yield f"{event.key}: was {phase_of(old)}, is {phase_of(new)}"
    before = {one["name"]: one for one in (old.get("status") or {}).get("containerStatuses") or ()}
    for one in (new.get("status") or {}).get("containerStatuses") or ():
        was = before.get(one["name"], one)
        if one.get("restartCount", 0) < was.get("restartCount", 0):
            counts = f"from {was['restartCount']} to {one.get('restartCount', 0)}"
            yield f"{event.key}: restarts of {one['name']} fell {counts}"


def bound_pods_fit(event: Event, view: View) -> Iterator[str]:
    """The pods of a node ask for no more than it has to give."""
    pod = event.record.object
    node_name = node_of(pod)
    bound_now = not event.deleted and (
        event.previous is None or node_of(event.previous.object) != node_name
    )
    node = view.find("core/nodes", node_name) if node_name and bound_now else None
    if node is None:
        return
    there = [one for one in view.all("core/pods") if node_of(one) == node_name]
    total = {PODS: 0}
    for one in there:
        if not finished(one):
            add(total, pod_requests(one))
            total[PODS] += 1
    offered = amounts(node["status"].get("allocatable"))
    for name, asked in total.items():
        if asked > offered.get(name, 0):
            yield f"{node_name}: {event.key} made {asked} of {offered.get(name, 0)} {name}"


def pod_runs_once(event: Event, view: View) -> Iterator[str]:
    """No pod, and no name of a stateful one, runs on two nodes."""
    pod = event.record.object
    if event.deleted or phase_of(pod) != "Running":
        return
    name = name_in(pod)
    nodes = [
        node
        for node, sandbox in view.running()
        if f"{sandbox.pod_namespace}/{sandbox.pod_name}" == name
    ]
    if len(nodes) > 1:
        yield f"{name} runs on {' and '.join(nodes)}"


def ready_pods_run(event: Event, view: View) -> Iterator[str]:
    """When the agent of a node says a pod is ready, it runs there.

    Of a pod that is on its way out it may have said so before it ended it: what is said takes time.
    """
    pod, old = event.record.object, event.previous
    if event.deleted or deleting(pod) or not ready(pod) or (old is not None and ready(old.object)):
        return
    node = view.world.nodes.get(node_of(pod))
    if node is None:
        return
    uid = pod["metadata"]["uid"]
    if not any(sandbox.pod_uid == uid for sandbox in view.sandboxes(node.name)):
        yield f"{name_in(pod)} became ready on {node.name}, where it does not run"


def budget_is_held(event: Event, view: View) -> Iterator[str]:
    """An eviction was counted by each budget of the pod before it happened."""
    pod, old = event.record.object, event.previous
    if event.deleted or old is None or deleting(old.object) or not deleting(pod):
        return
    told = conditions.find((pod.get("status") or {}).get("conditions"), "DisruptionTarget")
    if told is None or told.get("reason") != _EVICTED or not ready(old.object):
        return
    for budget in view.all("policy/poddisruptionbudgets", namespace_of(pod)):
        selector = label_selector(budget["spec"].get("selector"))
        counted = (budget.get("status") or {}).get("disruptedPods") or {}
        if selector.matches(labels_of(pod)) and pod["metadata"]["name"] not in counted:
            yield f"{name_in(pod)} was evicted, and budget {name_in(budget)} knows nothing of it"


def budget_allows_no_less_than_none(event: Event, view: View) -> Iterator[str]:
    """A budget never allows fewer than zero disruptions, nor more than are to spare."""
    del view
    status = event.record.object.get("status") or {}
    allowed = status.get("disruptionsAllowed", 0)
    spare = status.get("currentHealthy", 0) - status.get("desiredHealthy", 0)
    if allowed < 0 or allowed > max(0, spare):
        yield f"{event.key}: allows {allowed} with {spare} to spare"


# -- services and quotas ------------------------------------------------------------------------


def addresses_are_unique(event: Event, view: View) -> Iterator[str]:
    """No two Services have one cluster address or one node port."""
    if event.deleted:
        return
    mine = set(_claims(event.record.object))
    if not mine:
        return
    for other in view.all("core/services"):
        if other["metadata"]["uid"] == event.record.object["metadata"]["uid"]:
            continue
        for claim in _claims(other):
            if claim in mine:
                yield f"{event.key} and {name_in(other)} both have {claim}"


def _claims(service: Object) -> Iterator[str]:
    spec = service["spec"]
    for address in spec.get("clusterIPs") or ():
        if address != "None":
            yield str(address)
    for port in spec.get("ports") or ():
        if port.get("nodePort"):
            yield f"node port {port['nodePort']}/{port.get('protocol', 'TCP')}"


def quota_bounds_pods(event: Event, view: View) -> Iterator[str]:
    """No pod is created beyond a quota of pods that was in force."""
    pod = event.record.object
    if event.previous is not None or event.deleted:
        return
    namespace = namespace_of(pod)
    for quota in view.all("core/resourcequotas", namespace):
        hard = (quota["spec"].get("hard") or {}).get("pods")
        told = ((quota.get("status") or {}).get("hard") or {}).get("pods")
        if hard is None or hard != told or quota["spec"].get("scopes"):
            continue
        count = sum(not finished(one) for one in view.all("core/pods", namespace))
        if count > int(hard):
            yield f"{event.key} is pod {count} of {hard} that quota {name_in(quota)} allows"


Invariant = Callable[[Event, View], Iterator[str]]

#: Of all objects, and of those of a resource.
ALWAYS: Final[tuple[Invariant, ...]] = (
    identity_is_kept, observed_is_not_ahead, nothing_is_born_in_an_ending_namespace,
)  # fmt: skip
OF: Final[dict[str, tuple[Invariant, ...]]] = {
    "core/pods": (
        pod_goes_forward, bound_pods_fit, pod_runs_once, ready_pods_run, budget_is_held,
        quota_bounds_pods,
    ),
    "core/services": (addresses_are_unique,),
    "policy/poddisruptionbudgets": (budget_allows_no_less_than_none,),
}  # fmt: skip


def broken_by(event: Event, view: View) -> Iterator[Violation]:
    """Yield what a change breaks."""
    place = "/".join(event.key.split("/")[2:4])
    for invariant in (*ALWAYS, *OF.get(place, ())):
        for what in invariant(event, view):
            yield Violation(invariant.__name__.replace("_", " "), what)


class Checker:
    """Looks at every change from now on; `check` raises what was found. See also `leave`."""

    def __init__(self, world: World, faults: Injector) -> None:
        self.violations: list[Violation] = []
        self.looked = 0
        self._world = world
        self._view = View(world)
        self.mirrors = Mirrors(world, faults)
        world.store.observers.append(self._look)

    def _look(self, event: Event) -> None:
        self.looked += 1
        if len(self.violations) < _KEPT:
            self.violations.extend(broken_by(event, self._view))

    def check(self) -> None:
        """Raise Violated if something is broken."""
        self.violations.extend(self.mirrors.differences())
        if self.violations:
            found, self.violations = self.violations, []
            start = self._world.plane.clock.now()
            log = list(self._world.store.lines(start))[-30:]
            raise Violated(self._world.seed, found, log)

    def leave(self) -> None:
        """Look no more."""
        self._world.store.observers.remove(self._look)
        self.mirrors.leave()
