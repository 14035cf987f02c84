"""Which names a definition gets, and its conditions: decided from the definitions that are there.

Rules, which are those of the real server: a name is refused when another definition of the group
has it; the last refusal is the one that is told; a definition that was established stays so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from roost.api.values import Object

NAMES_ACCEPTED, ESTABLISHED, TERMINATING = "NamesAccepted", "Established", "Terminating"
_APPROVED = "KubernetesAPIApprovalPolicyConformant"
_ANNOTATION = "api-approved.kubernetes.io"
FINALIZER = "customresourcecleanup.apiextensions.k8s.io"


def condition(definition: Object, kind: str) -> Object | None:
    """Return a condition of a definition, None if it has none of that type."""
    found = ((definition.get("status") or {}).get("conditions")) or ()
    return next((one for one in found if one.get("type") == kind), None)


def holds(definition: Object, kind: str) -> bool:
    """Is the condition True?"""
    found = condition(definition, kind)
    return found is not None and found.get("status") == "True"


def settled(definition: Object, others: Iterable[Object], now: str) -> Object:
    """Return the status that a definition should have. `others` are the definitions of its group."""
    taken, kinds = _taken(definition, others)
    wanted = definition["spec"]["names"]
    status = dict(definition.get("status") or {})
    names: Object = dict(status.get("acceptedNames") or {})
    refusal: tuple[str, str] | None = None
    for key, reason, used in (
        ("plural", "PluralConflict", taken),
        ("singular", "SingularConflict", taken),
        ("shortNames", "ShortNamesConflict", taken),
        ("kind", "KindConflict", kinds),
        ("listKind", "ListKindConflict", kinds),
    ):
        conflict = _conflict(wanted.get(key), names.get(key), used)
        if conflict:
            refusal = (reason, conflict)
        else:
            _take(names, wanted, key)
    _take(names, wanted, "categories")
    status["acceptedNames"] = names
    status["conditions"] = _conditions(definition, refusal, now)
    return status


def _taken(definition: Object, others: Iterable[Object]) -> tuple[set[str], set[str]]:
    """Return the resource names and the kind names that others have."""
    resources: set[str] = set()
    kinds: set[str] = set()
    for other in others:
        same = other["metadata"]["name"] == definition["metadata"]["name"]
        if same or other["spec"]["group"] != definition["spec"]["group"]:
            continue
        names = (other.get("status") or {}).get("acceptedNames") or {}
        resources.update(filter(None, (names.get("plural"), names.get("singular"))))
        resources.update(names.get("shortNames") or ())
        kinds.update(filter(None, (names.get("kind"), names.get("listKind"))))
    return resources, kinds


def _conflict(wanted: Any, has: Any, used: set[str]) -> str:
    if isinstance(wanted, list):
        had = has or ()
        faults = [f'"{one}" is already in use' for one in wanted if one in used and one not in had]
        return faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]" if faults else ""
    if not wanted or wanted == has or wanted not in used:
        return ""
    return f'"{wanted}" is already in use'


def _take(names: Object, wanted: Object, key: str) -> None:
    if wanted.get(key):
        names[key] = wanted[key]
    else:
        names.pop(key, None)


def _conditions(definition: Object, refusal: tuple[str, str] | None, now: str) -> list[Object]:
    wanted = []
    approval = _approval(definition)
    if approval is not None:
        wanted.append(approval)
    if refusal is None:
        wanted.append((NAMES_ACCEPTED, "True", "NoConflicts", "no conflicts found"))
    else:
        wanted.append((NAMES_ACCEPTED, "False", *refusal))
    if refusal is None or holds(definition, ESTABLISHED):
        message = "the initial names have been accepted"
        wanted.append((ESTABLISHED, "True", "InitialNamesAccepted", message))
    else:
        wanted.append((ESTABLISHED, "False", "NotAccepted", "not all names are accepted"))
    made = list((definition.get("status") or {}).get("conditions") or ())
    for kind, state, reason, message in wanted:
        made = with_condition(made, kind, state, reason, message, now)
    return made


def _approval(definition: Object) -> tuple[str, str, str, str] | None:
    """Groups of the project itself say who approved of them."""
    group = definition["spec"]["group"]
    if not group.endswith((".k8s.io", ".kubernetes.io")):
        return None
    text = (definition["metadata"].get("annotations") or {}).get(_ANNOTATION) or ""
    if text.startswith("unapproved"):
        return (_APPROVED, "False", "UnapprovedAnnotation", f'not approved: "{text}"')
    return (_APPROVED, "True", "ApprovedAnnotation", f"approved in {text}")


def with_condition(
    conditions: list[Object], kind: str, state: str, reason: str, message: str, now: str
) -> list[Object]:
    """Return conditions with one of them set; its time moves only when its state does."""
    fresh: Object = {
        "type": kind, "status": state, "lastTransitionTime": now, "reason": reason, "message": message,
    }  # fmt: skip
    made = []
    found = False
    for one in conditions:
        if one.get("type") != kind:
            made.append(one)
            continue
        found = True
        if one.get("status") == state:
            fresh["lastTransitionTime"] = one.get("lastTransitionTime") or now
        made.append(fresh)
    return made if found else [*made, fresh]


def terminating(definition: Object, state: str, reason: str, message: str, now: str) -> Object:
    """Return the status with the condition Terminating set."""
    status = dict(definition.get("status") or {})
    conditions = list(status.get("conditions") or ())
    status["conditions"] = with_condition(conditions, TERMINATING, state, reason, message, now)
    return status
