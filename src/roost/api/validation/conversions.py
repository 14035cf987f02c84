"""Rules for the conversion of custom resources: by nobody, or by a webhook."""

from __future__ import annotations

from roost.api import names
from roost.api.kind import Change
from roost.api.validation.causes import Causes
from roost.api.validation.certificates import bundle_fault
from roost.api.validation.webhooks import client
from roost.api.values import Object

_STRATEGIES = ("None", "Webhook")
_REVIEWS = ("v1", "v1beta1")


def check_conversion(value: Object, change: Change, causes: Causes) -> None:
    """Check how objects become those of another version."""
    path, strategy = "spec.conversion", value.get("strategy") or ""
    hook: Object = value.get("webhook") or {}
    causes.one_of(f"{path}.strategy", strategy, _STRATEGIES)
    config, versions = hook.get("clientConfig"), hook.get("conversionReviewVersions")
    if strategy != "Webhook":
        for key, found in (("webhookClientConfig", config), ("conversionReviewVersions", versions)):
            if found:
                text = "should not be set when strategy is not set to Webhook"
                causes.forbidden(f"{path}.{key}", text)
        return
    if config is None:
        text = "required when strategy is set to Webhook"
        causes.required(f"{path}.webhookClientConfig", text)
    else:
        client(config, f"{path}.webhookClientConfig", causes)
        _bundle(change, causes)
    _review_versions(versions or [], f"{path}.conversionReviewVersions", causes)


def _review_versions(versions: list[str], path: str, causes: Causes) -> None:
    if not versions:
        causes.required(path)
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            causes.invalid(f"{path}[{index}]", version, "duplicate version")
        else:
            causes.faults(f"{path}[{index}]", version, names.check_label_1035(version))
    if not any(version in _REVIEWS for version in versions):
        causes.invalid(path, versions, f"must include at least one of {', '.join(_REVIEWS)}")


def _bundle_of(value: Object | None) -> str:
    """Return the CA bundle of a definition's webhook."""
    conversion = ((value or {}).get("spec") or {}).get("conversion") or {}
    return str(((conversion.get("webhook") or {}).get("clientConfig") or {}).get("caBundle") or "")


def _bundle(change: Change, causes: Causes) -> None:
    """Check the CA bundle of what is established, unless the one before was no good either."""
    found, before = _bundle_of(change.object), _bundle_of(change.old)
    if not found or not is_established(change.old or {}) or (before and bundle_fault(before)):
        return
    fault = bundle_fault(found)
    if fault:
        text = f"unable to load root certificates: {fault}"
        causes.invalid("spec.conversion.webhookClientConfig.caBundle", found, text)


def is_established(value: Object) -> bool:
    """Is a definition served already?"""
    return any(
        condition.get("type") == "Established" and condition.get("status") == "True"
        for condition in (value.get("status") or {}).get("conditions") or ()
    )
