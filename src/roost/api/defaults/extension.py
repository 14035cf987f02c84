"""Defaults of the kinds that extend or govern the API server itself."""

from __future__ import annotations

from roost.api.defaults.filling import fill, part
from roost.api.kind import Change
from roost.api.values import Object

_HTTPS_PORT = 443
_PRECEDENCE = 1000


def _rules(rules: list[Object] | None) -> None:
    for rule in rules or ():
        fill(rule, scope="*")


def _client(config: Object | None) -> None:
    service = (config or {}).get("service")
    if service is not None:
        fill(service, port=_HTTPS_PORT)


def _webhook(webhook: Object) -> None:
    fill(webhook, failurePolicy="Fail")
    fill(webhook, matchPolicy="Equivalent")
    part(webhook, "namespaceSelector")
    part(webhook, "objectSelector")
    fill(webhook, timeoutSeconds=10)
    _client(part(webhook, "clientConfig"))
    _rules(webhook.get("rules"))


def validating_webhooks(change: Change) -> None:
    """Fill in a ValidatingWebhookConfiguration."""
    for webhook in change.object.get("webhooks") or ():
        _webhook(webhook)


def mutating_webhooks(change: Change) -> None:
    """Fill in a MutatingWebhookConfiguration."""
    for webhook in change.object.get("webhooks") or ():
        _webhook(webhook)
        fill(webhook, reinvocationPolicy="Never")


def _match(resources: Object | None) -> None:
    if resources is None:
        return
    fill(resources, matchPolicy="Equivalent")
    part(resources, "namespaceSelector")
    part(resources, "objectSelector")
    _rules(resources.get("resourceRules"))
    _rules(resources.get("excludeResourceRules"))


def admission_policy(change: Change) -> None:
    """Fill in a ValidatingAdmissionPolicy or MutatingAdmissionPolicy."""
    spec = part(change.object, "spec")
    fill(spec, failurePolicy="Fail")
    _match(spec.get("matchConstraints"))
    if change.object.get("kind") == "ValidatingAdmissionPolicy":
        part(change.object, "status")


def admission_policy_binding(change: Change) -> None:
    """Fill in the binding of an admission policy."""
    _match(part(change.object, "spec").get("matchResources"))


def custom_resource_definition(change: Change) -> None:
    """Fill in a CustomResourceDefinition: its names and its conversion."""
    spec = part(change.object, "spec")
    names = part(spec, "names")
    kind = names.get("kind") or ""
    if not names.get("singular") and kind:
        names["singular"] = kind.lower()
    if not names.get("listKind") and kind:
        names["listKind"] = f"{kind}List"
    conversion = part(spec, "conversion")
    if not conversion.get("strategy"):
        conversion["strategy"] = "None"
    _client((conversion.get("webhook") or {}).get("clientConfig"))


def api_service(change: Change) -> None:
    """Fill in an APIService."""
    spec = part(change.object, "spec")
    _client(spec)
    fill(spec, groupPriorityMinimum=0)
    fill(spec, versionPriority=0)
    part(change.object, "status")


def flow_schema(change: Change) -> None:
    """Fill in a FlowSchema."""
    spec = part(change.object, "spec")
    if not spec.get("matchingPrecedence"):
        spec["matchingPrecedence"] = _PRECEDENCE
    part(change.object, "status")


def priority_level(change: Change) -> None:
    """Fill in a PriorityLevelConfiguration."""
    spec = part(change.object, "spec")
    limited, exempt = spec.get("limited"), spec.get("exempt")
    if limited is not None:
        fill(limited, nominalConcurrencyShares=30)
        fill(limited, lendablePercent=0)
        queuing = part(limited, "limitResponse").get("queuing")
        if queuing is not None:
            for key, value in (("handSize", 8), ("queues", 64), ("queueLengthLimit", 50)):
                if not queuing.get(key):
                    queuing[key] = value
    if exempt is not None:
        fill(exempt, nominalConcurrencyShares=0)
        fill(exempt, lendablePercent=0)
    part(change.object, "status")


def certificate_signing_request(change: Change) -> None:
    """Write the spec and status of a CertificateSigningRequest."""
    part(change.object, "spec")
    part(change.object, "status")


def lease(change: Change) -> None:
    """Write the spec of a Lease."""
    part(change.object, "spec")


def new_event(change: Change) -> None:
    """Write the parts of an events.k8s.io Event that are always written."""
    value = change.object
    part(value, "deprecatedSource")
    part(value, "regarding")
    for key in ("eventTime", "deprecatedFirstTimestamp", "deprecatedLastTimestamp"):
        value.setdefault(key, None)
