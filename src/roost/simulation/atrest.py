"""What must be true of a cluster that was left alone for long, with nothing failing: desired = actual.

Each invariant is a function of a view that yields what is not so. What cannot be (a pod that fits on no
node, one that a quota forbids) is no violation as long as the cluster says that it cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from roost.api.quantity import parse
from roost.api.selectors import label_selector, labels_equal
from roost.api.values import Object
from roost.decisions import conditions
from roost.decisions.meta import deleting, labels_of, namespace_of
from roost.decisions.pods import active, finished, node_of, ready
from roost.runtimes.port import State
from roost.simulation.view import View, Violation, name_in

AtRest = Callable[[View], Iterator[str]]
_MANAGED_BY: Final = "endpointslice-controller.k8s.io"


def _status(obj: Object) -> Object:
    found: Object = obj.get("status") or {}
    return found


def _pods_of(view: View, owner: Object) -> list[Object]:
    uid = owner["metadata"]["uid"]
    return [
        pod
        for pod in view.all("core/pods", namespace_of(owner))
        if any(
            one["uid"] == uid and one.get("controller")
            for one in pod["metadata"].get("ownerReferences") or ()
        )
    ]


def _excused(pods: Iterable[Object]) -> bool:
    """Say whether pods tell why they do not run: nowhere to go, or what is in them fails."""
    for pod in pods:
        placed = conditions.find(_status(pod).get("conditions"), "PodScheduled")
        if placed is not None and placed.get("reason") == "Unschedulable":
            return True
        for one in _status(pod).get("containerStatuses") or ():
            if (one.get("state") or {}).get("waiting"):
                return True
    return False


def sets_have_their_replicas(view: View) -> Iterator[str]:
    """ReplicaSets have as many active pods as they want, and say so."""
    for owner in view.all("apps/replicasets"):
        if deleting(owner):
            continue
        wanted = owner["spec"].get("replicas", 1)
        pods = [pod for pod in _pods_of(view, owner) if active(pod)]
        failing = conditions.is_true(_status(owner).get("conditions"), "ReplicaFailure")
        if len(pods) != wanted and not failing:
            yield f"ReplicaSet {name_in(owner)} wants {wanted} pods and has {len(pods)}"
        told = _status(owner).get("replicas", 0)
        if told != len(pods):
            yield f"ReplicaSet {name_in(owner)} tells of {told} pods and has {len(pods)}"
        truly = sum(ready(pod) for pod in pods)
        if _status(owner).get("readyReplicas", 0) != truly:
            told = _status(owner).get("readyReplicas", 0)
            yield f"ReplicaSet {name_in(owner)} tells of {told} ready pods and has {truly}"
        if truly != len(pods) and not _excused(pods):
            yield f"ReplicaSet {name_in(owner)}: {truly} of {len(pods)} pods are ready"


def rollouts_are_over(view: View) -> Iterator[str]:
    """Deployments are what they should be, or say why they cannot."""
    for owner in view.all("apps/deployments"):
        if deleting(owner) or owner["spec"].get("paused"):
            continue
        status, wanted = _status(owner), owner["spec"].get("replicas", 1)
        if status.get("observedGeneration") != owner["metadata"]["generation"]:
            yield f"Deployment {name_in(owner)} was not looked at"
        sets = [
            one
            for one in view.all("apps/replicasets", namespace_of(owner))
            if any(
                ref["uid"] == owner["metadata"]["uid"]
                for ref in one["metadata"].get("ownerReferences") or ()
            )
        ]
        pods = [pod for one in sets for pod in _pods_of(view, one) if active(pod)]
        failing = any(
            conditions.is_true(_status(one).get("conditions"), "ReplicaFailure") for one in sets
        )
        if failing or _excused(pods):
            continue
        for field in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"):
            if status.get(field, 0) != wanted:
                yield f"Deployment {name_in(owner)}: {field} is {status.get(field, 0)} of {wanted}"


def stateful_sets_are_complete(view: View) -> Iterator[str]:
    """StatefulSets have the pods that their names promise, and no others."""
    for owner in view.all("apps/statefulsets"):
        if deleting(owner):
            continue
        pods = _pods_of(view, owner)
        if _excused(pods):
            continue
        start = (owner["spec"].get("ordinals") or {}).get("start", 0)
        names = {
            f"{owner['metadata']['name']}-{start + n}"
            for n in range(owner["spec"].get("replicas", 1))
        }
        have = {pod["metadata"]["name"] for pod in pods}
        place = namespace_of(owner)
        taken = [name for name in names - have if view.find("core/pods", f"{place}/{name}")]
        if names != have and not taken and not _at_quota(view, place):
            yield f"StatefulSet {name_in(owner)} wants {sorted(names)} and has {sorted(have)}"
        elif names == have and not all(ready(pod) for pod in pods):
            yield f"StatefulSet {name_in(owner)}: not all pods are ready"
        elif _status(owner).get("readyReplicas", 0) != len(have):
            yield f"StatefulSet {name_in(owner)} tells of {_status(owner).get('readyReplicas', 0)}"


def _at_quota(view: View, namespace: str) -> bool:
    """Say whether a quota may forbid pods."""
    for quota in view.all("core/resourcequotas", namespace):
        used = _status(quota).get("used") or {}
        for name, hard in (_status(quota).get("hard") or {}).items():
            if name in used and parse(str(used[name])) >= parse(str(hard)):
                return True
    return False


def daemons_are_everywhere(view: View) -> Iterator[str]:
    """DaemonSets run on each node that they want, once."""
    for owner in view.all("apps/daemonsets"):
        if deleting(owner):
            continue
        pods = [pod for pod in _pods_of(view, owner) if not finished(pod)]
        nodes = [node_of(pod) for pod in pods if node_of(pod)]
        for node in sorted(set(nodes)):
            if nodes.count(node) > 1:
                yield f"DaemonSet {name_in(owner)} has {nodes.count(node)} pods on {node}"
        if _excused(pods) or _at_quota(view, namespace_of(owner)):
            continue
        status, truly = _status(owner), sum(ready(pod) for pod in pods)
        if status.get("numberReady", 0) != truly:
            told = status.get("numberReady", 0)
            yield f"DaemonSet {name_in(owner)} tells of {told} ready pods and has {truly}"
        if status.get("numberReady", 0) != status.get("desiredNumberScheduled", 0):
            yield (
                f"DaemonSet {name_in(owner)}: {status.get('numberReady', 0)} of "
                f"{status.get('desiredNumberScheduled', 0)} are ready"
            )


def jobs_are_over(view: View) -> Iterator[str]:
    """A Job that says it is complete has its successes, and none of its pods runs on."""
    for job in view.all("batch/jobs"):
        found = _status(job).get("conditions")
        over = conditions.is_true(found, "Complete") or conditions.is_true(found, "Failed")
        if not over:
            continue
        wanted = job["spec"].get("completions")
        if conditions.is_true(found, "Complete") and wanted is not None:
            succeeded = _status(job).get("succeeded", 0)
            if succeeded < wanted:
                yield f"Job {name_in(job)} is complete with {succeeded} of {wanted}"
        left = [name_in(pod) for pod in _pods_of(view, job) if not finished(pod)]
        if left:
            yield f"Job {name_in(job)} is over, and {left} goes on"


def nothing_is_left_ending(view: View) -> Iterator[str]:
    """What is being deleted goes, unless somebody's finalizer holds it."""
    for place, obj in view.everything():
        metadata = obj["metadata"]
        if _nobody_can_end(view, place, obj):
            continue
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            yield f"{place} {name_in(obj)} is being deleted since {metadata['deletionTimestamp']}"
        held = set(metadata.get("finalizers") or ()) & {"foregroundDeletion", "orphan"}
        if held and metadata.get("deletionTimestamp"):
            yield f"{place} {name_in(obj)} still has {', '.join(sorted(held))}"


def orphans_are_collected(view: View) -> Iterator[str]:
    """What has owners has one that lives."""
    alive = {obj["metadata"]["uid"] for _, obj in view.everything()}
    for place, obj in view.everything():
        owners = obj["metadata"].get("ownerReferences") or ()
        if not all(_served(view, one) for one in owners):
            continue  # nobody can tell any more whether such an owner lives
        if deleting(obj) and _nobody_can_end(view, place, obj):
            continue
        if owners and not any(one["uid"] in alive for one in owners):
            yield f"{place} {name_in(obj)} has outlived {owners[0]['kind']} {owners[0]['name']}"


def _nobody_can_end(view: View, place: str, obj: Object) -> bool:
    """Is this a pod of a machine that is gone? Its Node may be there, but nobody says that it ended."""
    return place == "core/pods" and bool(node_of(obj)) and node_of(obj) not in view.world.nodes


def _served(view: View, owner: Object) -> bool:
    group, _, version = owner["apiVersion"].rpartition("/")
    return view.world.plane.registry.by_name(group, version, owner["kind"]) is not None


def endpoints_are_the_ready_pods(view: View) -> Iterator[str]:
    """The EndpointSlices of a Service hold its pods, and say truly which are ready."""
    for service in view.all("core/services"):
        selector = service["spec"].get("selector")
        if not selector:
            continue
        namespace = namespace_of(service)
        chosen = labels_equal(selector)
        wanted = {
            pod["status"]["podIP"]: ready(pod) and not deleting(pod)
            for pod in view.all("core/pods", namespace)
            if chosen.matches(labels_of(pod)) and _status(pod).get("podIP") and not finished(pod)
        }
        have: dict[str, bool] = {}
        for piece in view.all("discovery.k8s.io/endpointslices", namespace):
            labels = labels_of(piece)
            if labels.get("kubernetes.io/service-name") != service["metadata"]["name"]:
                continue
            if labels.get("endpointslice.kubernetes.io/managed-by") != _MANAGED_BY:
                continue
            for endpoint in piece.get("endpoints") or ():
                state = (endpoint.get("conditions") or {}).get("ready", True)
                have.update(dict.fromkeys(endpoint["addresses"], bool(state)))
        publishes = service["spec"].get("publishNotReadyAddresses", False)
        if publishes:
            wanted = dict.fromkeys(wanted, True)
        if have != wanted:
            yield f"Service {name_in(service)} should lead to {wanted}, and leads to {have}"


def quotas_are_exact(view: View) -> Iterator[str]:
    """What quotas say is used is used."""
    for quota in view.all("core/resourcequotas"):
        namespace, status = namespace_of(quota), _status(quota)
        if status.get("hard") != quota["spec"].get("hard"):
            yield f"quota {name_in(quota)} was not looked at"
        if quota["spec"].get("scopes") or quota["spec"].get("scopeSelector"):
            continue
        used = status.get("used") or {}
        counts = {
            "pods": sum(not finished(pod) for pod in view.all("core/pods", namespace)),
            "services": sum(1 for _ in view.all("core/services", namespace)),
            "configmaps": sum(1 for _ in view.all("core/configmaps", namespace)),
            "count/deployments.apps": sum(1 for _ in view.all("apps/deployments", namespace)),
        }
        refused = any(
            _status(one).get("replicas", 0) < one["spec"].get("replicas", 1)
            for one in view.all("apps/statefulsets", namespace)
        )  # what is charged for a pod whose name is taken comes back with the next recount
        for name, count in counts.items():
            if name == "pods" and refused and int(used.get(name, 0)) > count:
                continue
            if name in used and int(used[name]) != count:
                yield f"quota {name_in(quota)} says {used[name]} {name}, there are {count}"


def budgets_tell_the_truth(view: View) -> Iterator[str]:
    """Budgets count the healthy pods as they are."""
    for budget in view.all("policy/poddisruptionbudgets"):
        selector = label_selector(budget["spec"].get("selector"))
        status = _status(budget)
        healthy = sum(
            ready(pod) and not deleting(pod)
            for pod in view.all("core/pods", namespace_of(budget))
            if selector.matches(labels_of(pod)) and active(pod)
        )
        told = conditions.find(status.get("conditions"), "DisruptionAllowed")
        if told is not None and told["reason"] == "SyncFailed":
            continue  # as it says itself: of pods without a scale nobody knows how many are wanted
        if status.get("observedGeneration") != budget["metadata"].get("generation"):
            yield f"budget {name_in(budget)} was not looked at"
        elif status.get("currentHealthy") != healthy:
            count = status.get("currentHealthy")
            yield f"budget {name_in(budget)} tells of {count} healthy pods, there are {healthy}"
        if status.get("disruptedPods"):
            yield f"budget {name_in(budget)} still waits for {sorted(status['disruptedPods'])}"


def what_runs_is_wanted(view: View) -> Iterator[str]:
    """Nodes run the pods that are bound to them and nothing else, as their status says."""
    bound: dict[str, dict[str, Object]] = {name: {} for name in view.world.nodes}
    for pod in view.all("core/pods"):
        if node_of(pod) in bound:
            bound[node_of(pod)][pod["metadata"]["uid"]] = pod
        if node_of(pod) and view.find("core/nodes", node_of(pod)) is None:
            yield f"pod {name_in(pod)} is on {node_of(pod)}, which is no node"
    for node, pods in bound.items():
        there = {one.pod_uid: one for one in view.sandboxes(node)}
        for uid, sandbox in there.items():
            if uid not in pods:
                yield f"{node} still has {sandbox.pod_namespace}/{sandbox.pod_name}"
        for uid, pod in pods.items():
            found = there.get(uid)
            live = {
                one.name
                for one in (found.containers if found is not None else ())
                if one.state is State.RUNNING
            }
            told = {
                one["name"]
                for group in ("containerStatuses", "initContainerStatuses")
                for one in _status(pod).get(group) or ()
                if (one.get("state") or {}).get("running")
            }
            if live != told:
                yield f"{node}: {name_in(pod)} runs {sorted(live)}, its status says {sorted(told)}"


def nodes_are_ready(view: View) -> Iterator[str]:
    """Every node whose agent runs is ready, and none is tainted for being lost."""
    for node in view.all("core/nodes"):
        machine = view.world.nodes.get(node["metadata"]["name"])
        if machine is None or machine.agent is None:
            continue
        if not conditions.is_true(_status(node).get("conditions"), "Ready"):
            yield f"node {name_in(node)} is not ready"
        for taint in node["spec"].get("taints") or ():
            if taint["key"] in _LOST:
                yield f"node {name_in(node)} still has the taint {taint['key']}"


_LOST: Final = ("node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready")

AT_REST: Final[tuple[AtRest, ...]] = (
    nodes_are_ready, what_runs_is_wanted, sets_have_their_replicas, rollouts_are_over,
    stateful_sets_are_complete, daemons_are_everywhere, jobs_are_over, nothing_is_left_ending,
    orphans_are_collected, endpoints_are_the_ready_pods, quotas_are_exact, budgets_tell_the_truth,
)  # fmt: skip


def at_rest(view: View) -> list[Violation]:
    """Return what is not as it should be in a cluster at rest."""
    return [
        Violation(invariant.__name__.replace("_", " "), what)
        for invariant in AT_REST
        for what in invariant(view)
    ]
