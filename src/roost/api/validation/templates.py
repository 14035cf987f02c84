"""Rules for pod templates, and for selectors that must match them."""

from __future__ import annotations

from roost.api import names
from roost.api.validation import podmeta
from roost.api.validation.causes import Causes
from roost.api.validation.podspec import pod_spec
from roost.api.validation.selectors import is_empty
from roost.api.values import Object

MISMATCH = "`selector` does not match template `labels`"


def pod_template(template: Object, path: str, causes: Causes) -> None:
    """Check a pod template."""
    meta, spec = template.get("metadata") or {}, template.get("spec") or {}
    if meta.get("labels"):
        causes.extend(names.check_labels(meta["labels"], f"{path}.labels"))
    if meta.get("annotations"):
        causes.extend(names.check_annotations(meta["annotations"], f"{path}.annotations"))
        podmeta.check_annotations(meta, spec, f"{path}.annotations", causes)
    pod_spec(spec, f"{path}.spec", causes)
    podmeta.fields_match(meta, spec, f"{path}.spec", causes)
    if spec.get("ephemeralContainers"):
        text = "ephemeral containers not allowed in pod template"
        causes.forbidden(f"{path}.spec.ephemeralContainers", text)


def matches(selector: Object, labels: Object) -> bool:
    """Tell whether a label selector selects these labels."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for requirement in selector.get("matchExpressions") or ():
        key, operator = requirement.get("key") or "", requirement.get("operator")
        values = requirement.get("values") or ()
        fits = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not fits.get(operator or "", True):
            return False
    return True


def labels_match(selector: Object | None, template: Object, path: str, causes: Causes) -> None:
    """Check that a non-empty selector selects the pods that a template makes."""
    labels = (template.get("metadata") or {}).get("labels")
    if selector is None:
        # A selector that is not there selects nothing, and so never the template.
        causes.invalid(f"{path}.metadata.labels", labels, MISMATCH)
    elif not is_empty(selector) and not matches(selector, labels or {}):
        causes.invalid(f"{path}.metadata.labels", labels, MISMATCH)


def always_restarts(template: Object, path: str, kind: str, causes: Causes) -> None:
    """Check what only pods that run for ever may say."""
    spec = template.get("spec") or {}
    policy = spec.get("restartPolicy") or ""
    if policy != "Always":
        causes.not_supported(f"{path}.spec.restartPolicy", policy, ("Always",))
    if spec.get("activeDeadlineSeconds") is not None:
        text = f"activeDeadlineSeconds in {kind} is not Supported"
        causes.forbidden(f"{path}.spec.activeDeadlineSeconds", text)
