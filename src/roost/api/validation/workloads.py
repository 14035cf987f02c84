"""Rules for what keeps pods running."""

from __future__ import annotations

from roost.api.kind import Change
from roost.api.names import check_label
from roost.api.validation import goform, podwarnings, statuscounts
from roost.api.validation.causes import Causes
from roost.api.validation.claims import claim_spec
from roost.api.validation.numbers import amount, at_most_all, count_or_percent
from roost.api.validation.rules import Rules
from roost.api.validation.selectors import is_empty, label_selector, shown_selector
from roost.api.validation.templates import (
    MISMATCH,
    always_restarts,
    labels_match,
    matches,
    pod_template,
)  # fmt: skip
from roost.api.validation.volumewarnings import of_claim_spec
from roost.api.values import Object

_STATEFUL_MUTABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip
_STATEFUL_FIXED = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' "
    "and 'minReadySeconds' are forbidden"
)
_NO_LIMIT = (
    "spec.revisionHistoryLimit: a negative value retains all historical revisions; "
    "a value >= 0 is recommended"
)


def _spec(change: Change) -> Object:
    found: Object = change.object.get("spec") or {}
    return found


def _selector(spec: Object, empty: str, causes: Causes) -> bool:
    """Check the selector of a workload; tell whether it can be used at all."""
    selector = spec.get("selector")
    if selector is None:
        causes.required("spec.selector")
        return True
    before = len(causes)
    label_selector(selector, "spec.selector", causes)
    usable = len(causes) == before
    if is_empty(selector):
        causes.invalid("spec.selector", shown_selector(selector), empty)
    if not usable:
        causes.invalid("spec.selector", shown_selector(selector), "invalid label selector")
    return usable


def _replicated(spec: Object, causes: Causes) -> None:
    """Check the template of a ReplicaSet or Deployment."""
    template = spec.get("template") or {}
    labels_match(spec.get("selector"), template, "spec.template", causes)
    pod_template(template, "spec.template", causes)
    always_restarts(template, "spec.template", "ReplicaSet", causes)


def _fixed_selector(change: Change, causes: Causes) -> None:
    new, old = _spec(change).get("selector"), ((change.old or {}).get("spec") or {}).get("selector")
    if new != old:
        causes.unchanged("spec.selector", shown_selector(new), old)


def _deployment(change: Change, causes: Causes) -> None:
    spec = _spec(change)
    causes.not_negative("spec.replicas", spec.get("replicas"))
    if _selector(spec, "empty selector is invalid for deployment", causes):
        _replicated(spec, causes)
    _deployment_strategy(spec.get("strategy") or {}, "spec.strategy", causes)
    ready, deadline = spec.get("minReadySeconds") or 0, spec.get("progressDeadlineSeconds")
    causes.not_negative("spec.minReadySeconds", ready)
    causes.not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))
    causes.not_negative("spec.progressDeadlineSeconds", deadline)
    if deadline is not None and deadline <= ready:
        text = "must be greater than minReadySeconds"
        causes.invalid("spec.progressDeadlineSeconds", deadline, text)


def _deployment_strategy(strategy: Object, path: str, causes: Causes) -> None:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "Recreate":
        if rolling is not None:
            text = "may not be specified when strategy `type` is 'Recreate'"
            causes.forbidden(f"{path}.rollingUpdate", text)
    elif kind == "RollingUpdate":
        rolling = rolling or {}
        unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
        count_or_percent(unavailable, f"{path}.rollingUpdate.maxUnavailable", causes)
        count_or_percent(surge, f"{path}.rollingUpdate.maxSurge", causes)
        if not amount(unavailable) and not amount(surge):
            text = "may not be 0 when `maxSurge` is 0"
            causes.invalid(f"{path}.rollingUpdate.maxUnavailable", unavailable, text)
        at_most_all(unavailable, f"{path}.rollingUpdate.maxUnavailable", causes)
    else:
        shown = goform.DEPLOYMENT_STRATEGY.show(strategy)
        causes.not_supported(path, shown, ("Recreate", "RollingUpdate"))


def _replica_set(change: Change, causes: Causes) -> None:
    spec = _spec(change)
    causes.not_negative("spec.replicas", spec.get("replicas"))
    causes.not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    if _selector(spec, "empty selector is invalid for deployment", causes):
        _replicated(spec, causes)


def _replication_controller(change: Change, causes: Causes) -> None:
    spec = _spec(change)
    selector, template = spec.get("selector") or {}, spec.get("template")
    causes.not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    if not selector:
        causes.required("spec.selector")
    causes.not_negative("spec.replicas", spec.get("replicas"))
    if template is None:
        causes.required("spec.template")
        return
    labels_match({"matchLabels": selector}, template, "spec.template", causes)
    pod_template(template, "spec.template", causes)
    always_restarts(template, "spec.template", "ReplicationController", causes)


def _stateful_set(change: Change, causes: Causes) -> None:
    spec = _spec(change)
    policy = spec.get("podManagementPolicy")
    if not policy:
        causes.required("spec.podManagementPolicy")
    elif policy not in ("OrderedReady", "Parallel"):
        causes.invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    _stateful_strategy(spec.get("updateStrategy") or {}, "spec.updateStrategy", causes)
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for key in ("whenDeleted", "whenScaled"):
        if retention.get(key) not in ("Retain", "Delete"):
            where = f"spec.persistentVolumeClaimRetentionPolicy.{key}"
            causes.not_supported(where, retention.get(key) or "", ("Retain", "Delete"))
    causes.not_negative("spec.replicas", spec.get("replicas"))
    causes.not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    causes.not_negative("spec.ordinals.start", (spec.get("ordinals") or {}).get("start"))
    if spec.get("serviceName"):
        name = spec["serviceName"]
        causes.faults("spec.serviceName", name, check_label(name))
    if _selector(spec, "empty selector is invalid for statefulset", causes):
        _stateful_template(spec, causes)
    if change.old is None:  # they cannot change later
        for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
            where = f"spec.volumeClaimTemplates[{index}].spec"
            claim_spec(claim.get("spec") or {}, where, causes)


def _stateful_template(spec: Object, causes: Causes) -> None:
    """Check the template, in which the claims are volumes already."""
    template = spec.get("template") or {}
    labels_match(spec.get("selector"), template, "spec.template", causes)
    claims = {
        (claim.get("metadata") or {}).get("name"): claim
        for claim in spec.get("volumeClaimTemplates") or ()
    }
    pod = template.get("spec") or {}
    if claims:
        own = [v for v in pod.get("volumes") or () if v.get("name") not in claims]
        made = [{"name": n, "persistentVolumeClaim": {"claimName": n}} for n in claims if n]
        pod = {**pod, "volumes": [*own, *made]}
    pod_template({**template, "spec": pod}, "spec.template", causes)
    policy = pod.get("restartPolicy") or ""
    if policy != "Always":
        causes.not_supported("spec.template.spec.restartPolicy", policy, ("Always",))
    if pod.get("activeDeadlineSeconds") is not None:
        text = "activeDeadlineSeconds in StatefulSet is not Supported"
        causes.forbidden("spec.template.spec.activeDeadlineSeconds", text)


def _stateful_strategy(strategy: Object, path: str, causes: Causes) -> None:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "OnDelete":
        if rolling is not None:
            shown = goform.ROLLING_STATEFUL_SET.show(rolling)
            text = "only allowed for updateStrategy 'RollingUpdate'"
            causes.invalid(f"{path}.rollingUpdate", shown, text)
    elif kind == "RollingUpdate":
        rolling = rolling or {}
        causes.not_negative(f"{path}.rollingUpdate.partition", rolling.get("partition"))
        number = rolling.get("maxUnavailable")
        if number is not None:
            where = f"{path}.rollingUpdate.maxUnavailable"
            count_or_percent(number, where, causes)
            if not amount(number):
                causes.invalid(where, number, "cannot be 0")
            at_most_all(number, where, causes)
    elif not kind:
        causes.required(path)
    else:
        shown = goform.STATEFUL_SET_STRATEGY.show(strategy)
        causes.invalid(path, shown, "must be 'RollingUpdate' or 'OnDelete'")


def _stateful_update(change: Change, causes: Causes) -> None:
    def fixed(spec: Object) -> Object:
        return {key: value for key, value in spec.items() if key not in _STATEFUL_MUTABLE}

    if fixed(_spec(change)) != fixed((change.old or {}).get("spec") or {}):
        causes.forbidden("spec", _STATEFUL_FIXED)


def _stateful_warn(change: Change) -> None:
    podwarnings.of_nameless_template(change)
    spec = _spec(change)
    if not podwarnings.same_generation(change):
        # On updates the real server says which field it is, and says it as Go does.
        field = "" if change.old is None else ".Spec"
        for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
            where = f"spec.volumeClaimTemplates[{index}]{field}"
            change.warnings.extend(of_claim_spec(claim.get("spec") or {}, where))
    limit = spec.get("revisionHistoryLimit")
    if limit is not None and limit < 0:
        change.warnings.append(_NO_LIMIT)


def _daemon_set(change: Change, causes: Causes) -> None:
    spec = _spec(change)
    selector, template = spec.get("selector"), spec.get("template") or {}
    before = len(causes)
    if selector is None:
        causes.required("spec.selector")
    label_selector(selector, "spec.selector", causes)
    if len(causes) == before or selector is None:
        labels = (template.get("metadata") or {}).get("labels")
        if selector is None or not matches(selector, labels or {}):
            causes.invalid("spec.template.metadata.labels", labels, MISMATCH)
    if selector is not None and is_empty(selector):
        text = "empty selector is invalid for daemonset"
        causes.invalid("spec.selector", shown_selector(selector), text)
    pod_template(template, "spec.template", causes)
    always_restarts(template, "spec.template", "DaemonSet", causes)
    causes.not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    _daemon_strategy(spec.get("updateStrategy") or {}, "spec.updateStrategy", causes)
    causes.not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))


def _daemon_strategy(strategy: Object, path: str, causes: Causes) -> None:
    kind = strategy.get("type")
    if kind == "OnDelete":
        return
    if kind != "RollingUpdate":
        shown = goform.DEPLOYMENT_STRATEGY.show(strategy)
        causes.not_supported(path, shown, ("RollingUpdate", "OnDelete"))
        return
    rolling, path = strategy.get("rollingUpdate") or {}, f"{path}.rollingUpdate"
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    count_or_percent(unavailable, f"{path}.maxUnavailable", causes)
    count_or_percent(surge, f"{path}.maxSurge", causes)
    at_most_all(unavailable, f"{path}.maxUnavailable", causes)
    at_most_all(surge, f"{path}.maxSurge", causes)
    if amount(unavailable) and amount(surge):
        text = "may not be set when maxUnavailable is non-zero"
        causes.invalid(f"{path}.maxSurge", surge, text)
    elif not amount(unavailable) and not amount(surge):
        causes.required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def _revision(change: Change, causes: Causes) -> None:
    if change.object.get("data") is None:
        causes.required("data", "data is mandatory")
    causes.not_negative("revision", change.object.get("revision"))


def _revision_update(change: Change, causes: Causes) -> None:
    new, old = change.object.get("data"), (change.old or {}).get("data")
    causes.unchanged("data", new, old)


def _pod_template(change: Change, causes: Causes) -> None:
    pod_template(change.object.get("template") or {}, "template", causes)


def scale(change: Change) -> Causes:
    """Check a Scale (autoscaling/v1), the body of every scale subresource."""
    causes = Causes()
    causes.not_negative("spec.replicas", (change.object.get("spec") or {}).get("replicas"))
    return causes


DEPLOYMENT = Rules(
    always=_deployment,
    update=_fixed_selector,
    status=statuscounts.deployment,
    warn=podwarnings.of_template,
    whole=False,
    before=True,
)
REPLICA_SET = Rules(
    always=_replica_set,
    update=_fixed_selector,
    status=statuscounts.replica_set,
    warn=podwarnings.of_template,
    whole=False,
    before=True,
)
REPLICATION_CONTROLLER = Rules(
    always=_replication_controller,
    status=statuscounts.replica_set,
    warn=podwarnings.of_template,
    whole=False,
)
STATEFUL_SET = Rules(
    always=_stateful_set,
    update=_stateful_update,
    status=statuscounts.stateful_set,
    warn=_stateful_warn,
    name_rule="label",
    whole=False,
    before=True,
)
DAEMON_SET = Rules(
    always=_daemon_set,
    update=_fixed_selector,
    status=statuscounts.daemon_set,
    warn=podwarnings.of_nameless_template,
    whole=False,
    before=True,
)
CONTROLLER_REVISION = Rules(always=_revision, update=_revision_update, before=True)
POD_TEMPLATE = Rules(always=_pod_template, warn=podwarnings.of_pod_template, whole=False)
