"""The Pod Security Standards: each check is a pure function from a pod to what it violates.

`violations(level, pod, version)` runs the checks of a level as they were in a version of Kubernetes, in
the order and with the words of Kubernetes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from roost.api.values import Object
from roost.apiserver.admission.standards.baseline import BASELINE
from roost.apiserver.admission.standards.restricted import RESTRICTED
from roost.apiserver.admission.standards.words import Check, Versions, Violation

LEVELS = ("privileged", "baseline", "restricted")
LATEST: Final = "latest"
_CHECKS: dict[str, tuple[Versions, ...]] = {
    "privileged": (),
    "baseline": BASELINE,
    "restricted": RESTRICTED,
}

__all__ = ["LATEST", "LEVELS", "Violation", "violations"]


def violations(level: str, pod: Object, version: str = LATEST) -> list[Violation]:
    """Return what a pod (or a pod template) violates at a level; `version` is latest or v1.N."""
    found = (check(pod) for check in _checks(level, version))
    return [violation for violation in found if violation is not None]


@lru_cache(maxsize=256)
def _checks(level: str, version: str) -> tuple[Check, ...]:
    """Return the checks of a level in one version: of each, the newest form that there was."""
    minor = float("inf") if version == LATEST else int(version.removeprefix("v1."))
    known = ([form for since, form in forms if since <= minor] for forms in _CHECKS[level])
    return tuple(forms[-1] for forms in known if forms)
