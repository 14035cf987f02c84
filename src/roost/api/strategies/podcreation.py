"""What a new pod gets at its creation beside defaults: selectors and profiles that follow from it.

Rules: keys of labels that must match (or must not) become requirements on this pod's own labels; an
AppArmor annotation becomes the field that took its place.
"""

from __future__ import annotations

from collections.abc import Iterator

from roost.api.kind import Change
from roost.api.values import Object

_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_APP_ARMOR_FIELD = 'deprecated since v1.30; use the "appArmorProfile" field instead'
_LISTS = ("initContainers", "containers", "ephemeralContainers")


def _terms(spec: Object) -> Iterator[Object]:
    """Yield all terms of pod affinity and anti-affinity."""
    for name in ("podAffinity", "podAntiAffinity"):
        side = (spec.get("affinity") or {}).get(name) or {}
        for weighted in side.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            yield weighted.get("podAffinityTerm") or {}
        yield from side.get("requiredDuringSchedulingIgnoredDuringExecution") or ()


def match_label_keys(pod: Object) -> None:
    """Add what matchLabelKeys and mismatchLabelKeys mean for this pod to the selectors."""
    spec, labels = pod.get("spec") or {}, (pod.get("metadata") or {}).get("labels") or {}
    for term in (*_terms(spec), *(spec.get("topologySpreadConstraints") or ())):
        selector = term.get("labelSelector")
        if selector is None:
            continue
        for key, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
            added = [
                {"key": name, "operator": operator, "values": [labels[name]]}
                for name in term.get(key) or ()
                if name in labels
            ]
            if added:
                selector["matchExpressions"] = [*(selector.get("matchExpressions") or ()), *added]


def app_armor_fields(change: Change) -> None:
    """Write AppArmor annotations of containers into their fields, with a warning."""
    pod = change.object
    spec = pod.get("spec") or {}
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    if (spec.get("os") or {}).get("name") == "windows":
        return
    of_pod = (spec.get("securityContext") or {}).get("appArmorProfile")
    for name in _LISTS:
        for container in spec.get(name) or ():
            key = f"{_APP_ARMOR}{container.get('name')}"
            context = container.get("securityContext") or {}
            if key not in annotations or context.get("appArmorProfile") is not None:
                continue
            profile = _profile(annotations[key])
            if profile is not None and profile != of_pod:
                container["securityContext"] = {**context, "appArmorProfile": profile}
            if profile is None or profile != of_pod:
                change.warnings.append(f"metadata.annotations[{key}]: {_APP_ARMOR_FIELD}")


def _profile(annotation: str) -> Object | None:
    """Return the profile that an annotation means, None for none that is valid."""
    if annotation == "unconfined":
        return {"type": "Unconfined"}
    if annotation == "runtime/default":
        return {"type": "RuntimeDefault"}
    local = annotation.removeprefix("localhost/")
    if local == annotation or not local or local != local.strip():
        return None
    return {"type": "Localhost", "localhostProfile": local}
