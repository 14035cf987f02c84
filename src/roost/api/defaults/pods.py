"""Defaults of pods and of the templates that workloads make pods from.

Rule: `pod_spec` holds what every PodSpec gets, `pod` what only a real pod gets.
"""

from __future__ import annotations

from collections.abc import Iterator

from roost.api.defaults.containers import container, host_ports, requests_from_limits
from roost.api.defaults.filling import fill, part, untimed
from roost.api.defaults.podresources import pod_resources
from roost.api.defaults.quantities import round_up
from roost.api.defaults.volumes import volume
from roost.api.kind import Change
from roost.api.values import Object

_STATUSES = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
_LISTS = ("containers", "initContainers", "ephemeralContainers")
#: Where init containers were before they had a field.
_OLD_ANNOTATIONS = tuple(
    f"pod.{stage}.kubernetes.io/init-container{what}"
    for stage in ("beta", "alpha")
    for what in ("s", "-statuses")
)


def pod_spec(spec: Object) -> None:
    """Fill in a pod's spec, wherever it stands."""
    if not spec.get("dnsPolicy"):
        spec["dnsPolicy"] = "ClusterFirst"
    if not spec.get("restartPolicy"):
        spec["restartPolicy"] = "Always"
    if spec.get("securityContext") is None:
        spec["securityContext"] = {}
    if spec.get("terminationGracePeriodSeconds") is None:
        spec["terminationGracePeriodSeconds"] = 30
    if not spec.get("schedulerName"):
        spec["schedulerName"] = "default-scheduler"
    _service_account(spec)
    for name in _LISTS:
        for value in spec.get(name) or ():
            container(value)
    for value in spec.get("volumes") or ():
        volume(value)
    if spec.get("overhead"):
        round_up(spec["overhead"])
    for constraint in spec.get("topologySpreadConstraints") or ():
        if constraint.get("maxSkew") is None:
            constraint["maxSkew"] = 0


def _service_account(spec: Object) -> None:
    """Keep the two names of the one field equal; serviceAccountName wins."""
    name = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if name:
        spec["serviceAccountName"] = spec["serviceAccount"] = name


def _without_old_annotations(meta: Object) -> None:
    annotations = meta.get("annotations")
    if annotations and not annotations.keys().isdisjoint(_OLD_ANNOTATIONS):
        kept = {key: annotations[key] for key in annotations if key not in _OLD_ANNOTATIONS}
        if kept:
            meta["annotations"] = kept
        else:
            del meta["annotations"]


def pod_template(owner: Object, key: str = "template") -> None:
    """Fill in the pod template under `key`."""
    template = owner.get(key)
    if template is None:
        return
    if template.get("metadata") is None:
        template["metadata"] = {}
    _without_old_annotations(template["metadata"])
    if template.get("spec") is None:
        template["spec"] = {}
    pod_spec(template["spec"])


def pod(change: Change) -> None:
    """Fill in a pod."""
    value = change.object
    _without_old_annotations(value.get("metadata") or {})
    spec = value.get("spec")
    if spec is None:
        spec = value["spec"] = {}
    for found in _containers(spec):
        requests_from_limits(found)
    if spec.get("resources") is not None:
        pod_resources(spec)
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        spec["terminationGracePeriodSeconds"] = 1  # templates keep what they say
    if spec.get("enableServiceLinks") is None:
        spec["enableServiceLinks"] = True
    if spec.get("hostNetwork"):
        for found in _containers(spec):
            host_ports(found)
    pod_spec(spec)
    _status(part(value, "status"))


def _status(status: Object) -> None:
    """Write what a status always says, and keep podIP the first of podIPs."""
    untimed(status.get("conditions"), "lastProbeTime", "lastTransitionTime")
    first, every = status.get("podIP"), status.get("podIPs")
    if first and (not every or every[0].get("ip") != first):
        status["podIPs"] = [{"ip": first}]
    elif every and not first:
        status["podIP"] = every[0].get("ip", "")
    for name in _STATUSES:
        for container_status in status.get(name) or ():
            part(container_status, "state")
            part(container_status, "lastState")
            fill(container_status, ready=False, restartCount=0, image="", imageID="")


def _containers(spec: Object) -> Iterator[Object]:
    yield from spec.get("containers") or ()
    yield from spec.get("initContainers") or ()


def pod_template_object(change: Change) -> None:
    """Fill in a PodTemplate."""
    change.object.setdefault("template", {})
    pod_template(change.object)
