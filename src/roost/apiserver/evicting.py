"""Eviction: delete a pod unless a PodDisruptionBudget forbids it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from roost.api.errors import BadRequest, Forbidden, TooManyRequests, not_found
from roost.api.kind import Kind, Resource
from roost.api.selectors import label_selector
from roost.api.values import Object
from roost.apiserver.attributes import Admission
from roost.apiserver.binding import DONE
from roost.apiserver.core import Core, WriteContext, shown
from roost.apiserver.creating import settle_namespace
from roost.apiserver.deleting import check_preconditions, delete
from roost.apiserver.deletion import from_object
from roost.apiserver.failures import Unclassified
from roost.apiserver.options import DeleteRequest
from roost.apiserver.rewriting import rewrite

_PODS: Final = Resource("", "v1", "pods")
_BUDGETS: Final = Resource("policy", "v1", "poddisruptionbudgets")
_WOULD_VIOLATE: Final = "Cannot evict pod as it would violate the pod's disruption budget."
#: Whose the disruptions of a budget are: the server writes them as a client of itself.
_MANAGER: Final = "kube-apiserver"
#: More pods than this at once are not in the middle of being evicted under one budget.
_DISRUPTED_LIMIT: Final = 2000


def _refused(why: str, retry_s: int = 0) -> TooManyRequests:
    details: Object = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    if retry_s:
        details["retryAfterSeconds"] = retry_s
    return TooManyRequests(_WOULD_VIOLATE, details)


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def needs_budget(pod: Object) -> bool:
    """Does the eviction of this pod count? Not of one that runs no more, or not yet."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    return (pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed", "Pending"}


def covers(budget: Object, pod: Object) -> bool:
    selector = (budget.get("spec") or {}).get("selector")
    return label_selector(selector).matches(pod["metadata"].get("labels"))


def may_go_unready(budget: Object, pod: Object) -> bool:
    """May the pod be evicted without spending budget, because it is not ready anyway?"""
    if _is_ready(pod):
        return False
    policy = (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy")
    status = budget.get("status") or {}
    if policy == "AlwaysAllow":
        return True
    desired = status.get("desiredHealthy") or 0
    return desired > 0 and (status.get("currentHealthy") or 0) >= desired


def spent(budget: Object, pod_name: str, now: str) -> Object:
    """Return the budget with one disruption less; raises TooManyRequests, Forbidden."""
    metadata, status = budget["metadata"], dict(budget.get("status") or {})
    name = metadata["name"]
    if (status.get("observedGeneration") or 0) < (metadata.get("generation") or 0):
        raise _refused(f"The disruption budget {name} is still being processed by the server.", 10)
    allowed = status.get("disruptionsAllowed") or 0
    details: Object = {"name": name, "group": "policy", "kind": "poddisruptionbudget"}
    if allowed < 0:
        raise Forbidden(
            f'poddisruptionbudget.policy "{name}" is forbidden: '
            "pdb disruptions allowed is negative", details,
        )  # fmt: skip
    disrupted = dict(status.get("disruptedPods") or {})
    if len(disrupted) > _DISRUPTED_LIMIT:
        raise Forbidden(
            f'poddisruptionbudget.policy "{name}" is forbidden: DisruptedPods map too big - '
            "too many evictions not confirmed by PDB controller", details,
        )  # fmt: skip
    if allowed == 0:
        raise _refused(
            f"The disruption budget {name} needs {status.get('desiredHealthy') or 0} healthy pods "
            f"and has {status.get('currentHealthy') or 0} currently"
        )
    status["disruptionsAllowed"] = allowed - 1
    disrupted[pod_name] = now
    status["disruptedPods"] = disrupted
    if allowed == 1:
        status["conditions"] = _no_more(status, metadata.get("generation") or 0, now)
    return {**budget, "status": status}


def _no_more(status: Object, generation: int, now: str) -> list[Object]:
    others = [c for c in status.get("conditions") or () if c.get("type") != "DisruptionAllowed"]
    condition: Object = {
        "type": "DisruptionAllowed",
        "status": "False",
        "observedGeneration": generation,
        "lastTransitionTime": now,
        "reason": "InsufficientPods",
        "message": "",
    }
    return [*others, condition]


def _marked(pod: Object, now: str) -> Object:
    """Return the pod with the condition that tells why it goes."""
    status = dict(pod.get("status") or {})
    others = [c for c in status.get("conditions") or () if c.get("type") != "DisruptionTarget"]
    condition: Object = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
        "lastProbeTime": None,
        "lastTransitionTime": now,
    }
    status["conditions"] = [*others, condition]
    return {**pod, "status": status}


@dataclass(frozen=True, slots=True)
class Evictions:
    """Evicts pods."""

    core: Core

    def _kind(self, resource: Resource) -> Kind:
        kind = self.core.registry.find(resource.group, resource.version, resource.plural)
        if kind is None:
            raise not_found(resource.group, resource.plural, "")
        return kind

    async def evict(
        self, namespace: str, name: str, eviction: Object, context: WriteContext
    ) -> Object:
        """Evict a pod and return the Status that says so; raises StatusError."""
        settle_namespace(self._kind(_PODS), eviction["metadata"], namespace)
        if eviction["metadata"].get("name") != name:
            raise BadRequest("name in URL does not match name in Eviction object")
        options = from_object(eviction.get("deleteOptions") or {})
        options.dry_run = options.dry_run or context.options.dry_run
        core, pods = self.core, self._kind(_PODS)
        pod = await core.lookup.get(_PODS, name, namespace)
        if pod is None:
            raise not_found("", "pods", name)
        request = Admission(
            "CREATE", pods, namespace, name, context.user, eviction, None, "eviction",
            options.dry_run, warnings=context.warnings,
        )  # fmt: skip
        await core.admit(request)
        await core.validate(request)
        if needs_budget(pod):
            await self._spend(namespace, pod, options)
        if not options.dry_run:
            await self._mark(pods, namespace, name, options)
        await delete(core, pods, namespace, name, options, context)
        return DONE

    async def _mark(self, pods: Kind, namespace: str, name: str, options: DeleteRequest) -> None:
        """Note on the pod why it goes; what was meant to be deleted is then the pod with the note."""
        core = self.core

        def change(pod: Object) -> Object:
            check_preconditions(pods, name, pod, options)
            return _marked(pod, core.now())

        record = await rewrite(core, pods, namespace, name, change)
        if options.resource_version is not None:
            options.resource_version = shown(pods, record)["metadata"]["resourceVersion"]

    async def _spend(self, namespace: str, pod: Object, options: DeleteRequest) -> None:
        core = self.core
        found = [
            budget for budget in await core.lookup.list(_BUDGETS, namespace) if covers(budget, pod)
        ]
        if len(found) > 1:
            raise Unclassified(
                "This pod has more than one PodDisruptionBudget, "
                "which the eviction subresource does not support."
            )
        if not found or may_go_unready(found[0], pod):
            return
        name = pod["metadata"]["name"]
        await rewrite(
            core, self._kind(_BUDGETS), namespace, found[0]["metadata"]["name"],
            lambda budget: spent(budget, name, core.now()), manager=_MANAGER, subresource="status",
            dry_run=options.dry_run,
        )  # fmt: skip
