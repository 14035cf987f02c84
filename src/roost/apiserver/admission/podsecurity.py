"""PodSecurity: what a namespace's labels let its pods do (the Pod Security Standards).

`enforce` refuses, `warn` warns, `audit` notes in the audit log; what is only made into pods later
(deployments, jobs) is warned about and noted. The standards themselves are in standards/; this module
reads labels and words the outcome.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.errors import Cause, invalid
from roost.api.kind import Resource
from roost.api.values import Object
from roost.apiserver.admission.base import NAMESPACES, PODS, Base, refuse, resource_of
from roost.apiserver.admission.port import Lookup
from roost.apiserver.admission.standards import LEVELS, Violation, violations
from roost.apiserver.attributes import Admission

_NAMESPACES = Resource("", "v1", "namespaces")
_PODS = Resource("", "v1", "pods")
_PREFIX = "pod-security.kubernetes.io/"
_MODES = ("enforce", "audit", "warn")
_VERSION = re.compile(r"latest|v1\.([0-9]|[1-9][0-9]*)")
#: As many pods of a namespace are looked at when its labels are tightened.
_POD_LIMIT = 3000

#: Resource -> where in it the pod template is.
_TEMPLATES: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "podtemplates"): ("template",),
    ("", "replicationcontrollers"): ("spec", "template"),
    ("apps", "replicasets"): ("spec", "template"),
    ("apps", "deployments"): ("spec", "template"),
    ("apps", "statefulsets"): ("spec", "template"),
    ("apps", "daemonsets"): ("spec", "template"),
    ("batch", "jobs"): ("spec", "template"),
    ("batch", "cronjobs"): ("spec", "jobTemplate", "spec", "template"),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """A level with its version, e.g. baseline:latest."""

    level: str = "privileged"
    version: str = "latest"

    def __str__(self) -> str:
        return f"{self.level}:{self.version}"


class PodSecurity(Base):
    """Holds pods, and what makes pods, against the labels of their namespace."""

    name = "PodSecurity"
    resources = frozenset({PODS, NAMESPACES, *_TEMPLATES})

    async def validate(self, request: Admission, lookup: Lookup) -> None:
        if request.object is None or request.operation not in ("CREATE", "UPDATE"):
            return
        resource = resource_of(request)
        if resource == NAMESPACES:
            await self._namespace(request, lookup)
        elif resource == PODS:
            if request.subresource in ("", "ephemeralcontainers") and _is_significant(request):
                await self._pod(request, lookup)
        elif resource in _TEMPLATES and not request.subresource:
            await self._template(request, lookup, _TEMPLATES[resource])

    async def _pod(self, request: Admission, lookup: Lookup) -> None:
        policies = await _policies_of(request, lookup)
        assert request.object is not None
        enforced = policies["enforce"]
        request.annotate(f"{_PREFIX}enforce-policy", str(enforced))
        _audit(request, policies["audit"], request.object)
        found = violations(enforced.level, request.object, enforced.version)
        if found:
            raise refuse(request, f'violates PodSecurity "{enforced}": {_told(found)}')
        _warn(request, policies["warn"], request.object)

    async def _template(self, request: Admission, lookup: Lookup, path: tuple[str, ...]) -> None:
        template: Object | None = request.object
        for key in path:
            template = (template or {}).get(key)
        if not template or not template.get("spec"):
            return
        policies = await _policies_of(request, lookup)
        pod = {"metadata": {}, **template}
        _audit(request, policies["audit"], pod)
        _warn(request, policies["warn"], pod)

    async def _namespace(self, request: Admission, lookup: Lookup) -> None:
        assert request.object is not None
        if request.subresource:
            return
        labels = request.object["metadata"].get("labels") or {}
        old_labels = ((request.old or {}).get("metadata") or {}).get("labels") or {}
        causes = label_faults(labels)
        if causes and not label_faults(old_labels):
            raise invalid("", "Namespace", request.name, causes)
        if request.operation != "UPDATE" or causes:
            return
        new, old = policies_of(labels)["enforce"], policies_of(old_labels)["enforce"]
        tighter = LEVELS.index(new.level) > LEVELS.index(old.level)
        if new == old or new.level == "privileged" or (new.version == old.version and not tighter):
            return
        pods = await lookup.list(_PODS, request.name)
        request.warnings.extend(_existing(request.name, new, pods))


def policies_of(labels: Object) -> dict[str, Policy]:
    """Return mode -> policy. A level that cannot be read enforces the strictest, and warns of none.

    Without a word on warnings, what is enforced is also what is warned about.
    """
    found: dict[str, Policy] = {}
    for mode in _MODES:
        level = labels.get(_PREFIX + mode)
        version = labels.get(f"{_PREFIX}{mode}-version", "latest")
        if not _VERSION.fullmatch(version):
            version = "latest"
        if level is None and mode == "warn":
            found[mode] = found["enforce"]
        elif level is None:
            found[mode] = Policy(version=version)
        elif level in LEVELS:
            found[mode] = Policy(level, version)
        else:
            found[mode] = Policy("restricted" if mode == "enforce" else "privileged", version)
    return found


def label_faults(labels: Object) -> list[Cause]:
    """Return what is wrong with the labels of a namespace."""
    causes = []
    for mode in _MODES:
        for key, is_good, why in (
            (_PREFIX + mode, LEVELS.__contains__, f"must be one of {', '.join(LEVELS)}"),
            (f"{_PREFIX}{mode}-version", _VERSION.fullmatch, 'must be "latest" or "v1.x"'),
        ):
            value = labels.get(key)
            if value is not None and not is_good(value):
                text = f'Invalid value: "{value}": {why}'
                causes.append(Cause("FieldValueInvalid", text, f"metadata.labels[{key}]"))
    return causes


async def _policies_of(request: Admission, lookup: Lookup) -> dict[str, Policy]:
    namespace = await lookup.get(_NAMESPACES, request.namespace)
    return policies_of(((namespace or {}).get("metadata") or {}).get("labels") or {})


def _is_significant(request: Admission) -> bool:
    """May an update change what the standards look at?"""
    if request.operation == "CREATE" or request.old is None:
        return True
    new, old = request.object, request.old
    assert new is not None
    return bool(new.get("spec") != old.get("spec")) or _guards(new) != _guards(old)


def _guards(pod: Object) -> Object:
    annotations = pod["metadata"].get("annotations") or {}
    return {key: value for key, value in annotations.items() if "apparmor" in key}


def _audit(request: Admission, policy: Policy, pod: Object) -> None:
    found = violations(policy.level, pod, policy.version)
    if found:
        text = f'would violate PodSecurity "{policy}": {_told(found)}'
        request.annotate(f"{_PREFIX}audit-violations", text)


def _warn(request: Admission, policy: Policy, pod: Object) -> None:
    found = violations(policy.level, pod, policy.version)
    if found:
        request.warnings.append(f'would violate PodSecurity "{policy}": {_told(found)}')


def _told(found: Iterable[Violation]) -> str:
    return ", ".join(
        f"{violation.reason} ({violation.detail})" if violation.detail else violation.reason
        for violation in found
    )


def _existing(namespace: str, policy: Policy, pods: Iterable[Object]) -> list[str]:
    """Return warnings about the pods that a tightened namespace would no longer take."""
    offenders: dict[str, list[str]] = {}
    for _, pod in zip(range(_POD_LIMIT), pods, strict=False):
        found = violations(policy.level, pod, policy.version)
        if found:
            text = ", ".join(violation.reason for violation in found)
            offenders.setdefault(text, []).append(pod["metadata"]["name"])
    if not offenders:
        return []
    head = (
        f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level'
        f' "{policy}"'
    )
    lines = []
    for text, names in offenders.items():
        more = len(names) - 1
        others = f" (and {more} other pod{'s' if more > 1 else ''})" if more else ""
        lines.append(f"{min(names)}{others}: {text}")
    return [head, *sorted(lines)]
