"""The Pod Security Standards: each check is a pure function from a pod to what it violates.

`violations(level, pod)` runs the checks of a level, in the order and with the words of Kubernetes.
"""

from __future__ import annotations

from roost.api.values import Object
from roost.apiserver.admission.standards.baseline import BASELINE
from roost.apiserver.admission.standards.restricted import RESTRICTED
from roost.apiserver.admission.standards.words import Check, Violation

LEVELS = ("privileged", "baseline", "restricted")
_CHECKS: dict[str, tuple[Check, ...]] = {
    "privileged": (),
    "baseline": BASELINE,
    "restricted": RESTRICTED,
}

__all__ = ["LEVELS", "Violation", "violations"]


def violations(level: str, pod: Object) -> list[Violation]:
    """Return what a pod (or a pod template) violates at a level."""
    found = (check(pod) for check in _CHECKS[level])
    return [violation for violation in found if violation is not None]
