"""What is too busy gets more pods, what is idle fewer: HorizontalPodAutoscalers.

Every 15 s an autoscaler looks at the scale of its target and at its metrics, takes the largest of what
they call for, and slows that down by its rules. Follows "Horizontal Pod Autoscaling".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from roost.api.errors import StatusError
from roost.api.kind import Resource
from roost.api.selectors import LabelSelector, parse_labels
from roost.api.values import Object
from roost.controllers.podautoscaler.behavior import Bounds, Memory, normalize, scaled
from roost.controllers.podautoscaler.metrics import (
    Answers,
    Reading,
    Scope,
    Unavailable,
    asks_of,
    read,
    tolerances_of,
)
from roost.controllers.podautoscaler.status import Draft
from roost.decisions.asking import Ask, Inquiry, Told
from roost.decisions.controller import Caches, Controller, Key, Watch, own_key
from roost.decisions.meta import labels_of, name_of, namespace_of, object_reference, warning
from roost.decisions.plan import Action, EmitEvent, Plan, Update
from roost.decisions.resources import HORIZONTAL_POD_AUTOSCALERS, PODS
from roost.decisions.served import Served

PERIOD_S = 15.0
_UNABLE = "the HPA controller was unable to get the target's current scale: "


@dataclass(frozen=True, slots=True)
class Kinds:
    """The resources of kinds, by group and kind."""

    known: tuple[tuple[str, str, Resource], ...]

    def __call__(self, group: str, kind: str) -> Resource | None:
        for known_group, known_kind, resource in self.known:
            if (known_group, known_kind) == (group, kind):
                return resource
        return None


@dataclass(frozen=True, slots=True)
class View:
    """An autoscaler, the pods of its namespace, what was answered, and what it remembers.

    `others` are the autoscalers beside it that have been looked at: name and selector.
    """

    hpa: Object
    pods: tuple[Object, ...]
    now: float
    kinds: Kinds
    answers: Answers
    memory: Memory
    others: tuple[tuple[str, str], ...] = ()

    @property
    def target(self) -> Resource | None:
        reference = self.hpa["spec"]["scaleTargetRef"]
        group = reference.get("apiVersion", "").rpartition("/")[0]
        return self.kinds(group, reference["kind"])

    @property
    def scale_ask(self) -> Ask | None:
        resource = self.target
        if resource is None:
            return None
        base = f"/apis/{resource.group}" if resource.group else "/api"
        name = self.hpa["spec"]["scaleTargetRef"]["name"]
        return Ask(
            f"{base}/{resource.version}/namespaces/{namespace_of(self.hpa)}/{resource.plural}/"
            f"{name}/scale"
        )

    @property
    def scale(self) -> Object | StatusError | None:
        ask = self.scale_ask
        return None if ask is None else self.answers.get(ask)

    @property
    def early(self) -> bool:
        """Say whether it is not yet time to look again."""
        same = self.memory.spec == self.hpa["spec"]
        return same and self.now < self.memory.at + PERIOD_S - 0.5

    def scope(self, scale: Object, selector: LabelSelector, text: str) -> Scope:
        """Return what the metrics are about."""
        spec, status = scale.get("spec") or {}, scale.get("status") or {}
        return Scope(
            namespace=namespace_of(self.hpa),
            selector=text,
            pods=tuple(pod for pod in self.pods if selector.matches(labels_of(pod))),
            spec_replicas=spec.get("replicas", 0),
            status_replicas=status.get("replicas", 0),
            tolerances=tolerances_of(self.hpa["spec"].get("behavior")),
            answers=self.answers,
            kinds=self.kinds,
            now=self.now,
        )


def _asks(view: View) -> Iterable[Ask]:
    """The scale first; then the metrics of the pods that it selects."""
    ask, scale = view.scale_ask, view.scale
    if ask is None or view.early:
        return
    yield ask
    if not isinstance(scale, dict):
        return
    text = (scale.get("status") or {}).get("selector", "")
    try:
        selector = parse_labels(text)
    except ValueError:
        return
    if text:
        scope = view.scope(scale, selector, text)
        for metric in view.hpa["spec"].get("metrics") or ():
            yield from asks_of(metric, scope)


def _told(view: View, told: Told) -> View:
    memory = told.memory if isinstance(told.memory, Memory) else Memory()
    return replace(view, answers=told.answers, memory=memory)


def reconcile(view: View) -> Plan:
    """Look, and set the replicas of the target."""
    if view.early:
        return Plan(wake_at=view.memory.at + PERIOD_S, remember=view.memory)
    draft = Draft(view.hpa, view.now)
    memory = replace(view.memory, at=view.now, spec=view.hpa["spec"])
    actions: tuple[Action, ...]
    scale = view.scale
    if isinstance(scale, dict):
        draft.condition("AbleToScale", "True", "SucceededGetScale",
                        "the HPA controller was able to get the target's current scale")  # fmt: skip
        actions, memory = _rescale(view, scale, draft, memory)
    else:
        why = scale.message if scale is not None else _unknown_kind(view.hpa)
        draft.tell("Warning", "FailedGetScale", why)
        draft.condition("AbleToScale", "False", "FailedGetScale", _UNABLE + why)
        actions = draft.actions()
    return Plan(actions, view.now + PERIOD_S, remember=memory)


def _unknown_kind(hpa: Object) -> str:
    reference = hpa["spec"]["scaleTargetRef"]
    group = reference.get("apiVersion", "").rpartition("/")[0]
    return f'no matches for kind "{reference["kind"]}" in group "{group}"'


def _rescale(
    view: View, scale: Object, draft: Draft, memory: Memory
) -> tuple[tuple[Action, ...], Memory]:
    """Return what to do to the scale, and then to the status."""
    spec, current = view.hpa["spec"], (scale.get("spec") or {}).get("replicas", 0)
    draft.current = current
    least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
    if not memory.recommended:
        memory = replace(memory, recommended=((view.now, current),))
    reason = ""
    if current == 0 and least != 0:
        draft.condition("ScalingActive", "False", "ScalingDisabled",
                        "scaling is disabled since the replica count of the target is zero")  # fmt: skip
        draft.desired = 0
        return draft.actions(), memory
    if current > most:
        desired, reason = most, "Current number of replicas above Spec.MaxReplicas"
    elif current < least:
        desired, reason = least, "Current number of replicas below Spec.MinReplicas"
    else:
        found = _by_metrics(view, scale, draft)
        if found is None:
            return draft.actions(), memory
        wanted, name = found
        if wanted > current:
            reason = f"{name} above target"
        elif wanted < current:
            reason = "All metrics below target"
        bounds = Bounds(least, most, current)
        verdict = normalize(wanted, bounds, spec.get("behavior"), memory, view.now)
        draft.condition("AbleToScale", "True", *verdict.able)
        draft.condition("ScalingLimited", "True" if verdict.limited else "False", *verdict.why)
        desired, memory = verdict.replicas, verdict.memory
    draft.desired = desired
    if desired == current:
        return draft.actions(), memory
    draft.condition("AbleToScale", "True", "SucceededRescale",
                    f"the HPA controller was able to update the target scale to {desired}")  # fmt: skip
    draft.scaled = True
    done = draft.event("Normal", "SuccessfulRescale", f"New size: {desired}; reason: {reason}")
    assert view.target is not None
    body = {**scale, "spec": {**(scale.get("spec") or {}), "replicas": desired}}
    memory = scaled(memory, spec.get("behavior"), desired - current, view.now)
    return (Update(view.target, body, "scale"), done, *draft.actions()), memory


def _by_metrics(view: View, scale: Object, draft: Draft) -> tuple[int, str] | None:
    """Return what the metrics call for, and which of them does; None if that cannot be told."""
    text = (scale.get("status") or {}).get("selector", "")
    fault = ""
    if not text:
        fault = "selector is required"
        draft.tell("Warning", "SelectorRequired", fault)
        draft.condition("ScalingActive", "False", "InvalidSelector",
                        "the HPA target's scale is missing a selector")  # fmt: skip
    else:
        try:
            selector = parse_labels(text)
        except ValueError as error:
            fault = (
                f"couldn't convert selector into a corresponding internal selector object: {error}"
            )
            draft.tell("Warning", "InvalidSelector", fault)
            draft.condition("ScalingActive", "False", "InvalidSelector", fault)
        else:
            scope = view.scope(scale, selector, text)
            rivals = _rivals(view, scope)
            if not rivals:
                return _largest(view, scope, draft)
            namespace = namespace_of(view.hpa)
            named = " ".join(f"{{{name} {namespace}}}" for name in rivals)
            fault = f"pods by selector {text} are controlled by multiple HPAs: [{named}]"
            draft.tell("Warning", "AmbiguousSelector", fault)
            draft.condition("ScalingActive", "False", "AmbiguousSelector", fault)
    draft.tell("Warning", "FailedComputeMetricsReplicas", fault)
    return None


def _rivals(view: View, scope: Scope) -> list[str]:
    """Return the autoscalers that pods of this one belong to, if it is not the only one."""
    found = [
        name
        for name, text in view.others
        if any(parse_labels(text).matches(labels_of(pod)) for pod in scope.pods)
    ]
    return sorted([*found, name_of(view.hpa)]) if found else []


def selector_of(view: View) -> str:
    """Return the selector of the target's pods as the server gave it, "" if it cannot be read."""
    scale = view.scale
    text: str = (scale.get("status") or {}).get("selector", "") if isinstance(scale, dict) else ""
    try:
        parse_labels(text)
    except ValueError:
        return ""
    return text


def _largest(view: View, scope: Scope, draft: Draft) -> tuple[int, str] | None:
    best: Reading | None = None
    faults: list[Unavailable] = []
    metrics = view.hpa["spec"].get("metrics") or ()
    for metric in metrics:
        try:
            reading = read(metric, scope)
        except Unavailable as fault:
            draft.tell("Warning", fault.reason, fault.message)
            draft.metrics.append({"type": ""})
            faults.append(fault)
            continue
        draft.metrics.append(reading.status)
        if best is None or reading.replicas > best.replicas:
            best = reading
    useless = best is None or (faults and best.replicas < scope.spec_replicas)
    if useless and faults:
        first = faults[0]
        text = f"the HPA was unable to compute the replica count: {first.message}"
        draft.condition("ScalingActive", "False", first.reason, text)
        summary = (
            f"invalid metrics ({len(faults)} invalid out of {len(metrics)}), "
            f"first error is: {first.prefix}{first.message}"
        )
        draft.tell("Warning", "FailedComputeMetricsReplicas", summary)
        return None
    if best is None:
        return scope.spec_replicas, ""
    text = f"the HPA was able to successfully calculate a replica count from {best.name}"
    draft.condition("ScalingActive", "True", "ValidMetricFound", text)
    return best.replicas, best.name


def _refused(view: View, action: Action, error: StatusError) -> Plan:
    """Tell that the target could not be scaled."""
    if not isinstance(action, Update) or action.subresource != "scale":
        return Plan()
    desired = action.object["spec"]["replicas"]
    draft = Draft(view.hpa, view.now)
    scale = view.scale
    draft.current = (scale.get("spec") or {}).get("replicas", 0) if isinstance(scale, dict) else 0
    why = f"New size: {desired}; reason: ; error: {error.message}"
    text = f"the HPA controller was unable to update the target scale: {error.message}"
    draft.condition("AbleToScale", "False", "FailedUpdateScale", text)
    regarding = object_reference(HORIZONTAL_POD_AUTOSCALERS, "HorizontalPodAutoscaler", view.hpa)
    event: EmitEvent = warning(regarding, "FailedRescale", why)
    return Plan((event, *draft.actions()))


def horizontal_pod_autoscaler(served: Iterable[Served]) -> Controller[View]:
    """Return the controller for what the server serves now."""
    kinds = Kinds(tuple((one.resource.group, one.kind, one.resource) for one in served))
    #: By namespace and name of autoscalers.
    selectors: dict[str, dict[str, str]] = {}

    def view(caches: Caches, key: Key, now: float) -> View | None:
        hpa = caches[HORIZONTAL_POD_AUTOSCALERS].get(*key)
        beside = selectors.get(key.namespace, {})
        if hpa is None:
            beside.pop(key.name, None)
            return None
        others = tuple((name, text) for name, text in beside.items() if name != key.name)
        pods = tuple(sorted(caches[PODS].all(key.namespace), key=name_of))
        return View(hpa, pods, now, kinds, {}, Memory(), others)

    def noting(view: View) -> Plan:
        text = selector_of(view)
        if text:
            selectors.setdefault(namespace_of(view.hpa), {})[name_of(view.hpa)] = text
        return reconcile(view)

    return Controller(
        name="horizontal-pod-autoscaler-controller",
        component="horizontal-pod-autoscaler",
        watches=(
            Watch(HORIZONTAL_POD_AUTOSCALERS, own_key),
            Watch(PODS, lambda _pod, _caches: ()),
        ),
        view=view,
        reconcile=noting,
        refused=_refused,
        inquiry=Inquiry(_asks, _told),
    )
