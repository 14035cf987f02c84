"""Rules for admission webhooks and admission policies.

What their CEL expressions mean is not looked at here: whoever has a CEL environment compiles them.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from roost.api import names
from roost.api.kind import Change
from roost.api.validation.causes import Causes
from roost.api.validation.domains import fully_qualified
from roost.api.validation.rules import Rules
from roost.api.validation.selectors import label_selector
from roost.api.values import Object

_FAILURE = ("Fail", "Ignore")
_MATCH = ("Equivalent", "Exact")
_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")
_REINVOCATION = ("IfNeeded", "Never")
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_ACTIONS = ("Audit", "Deny", "Warn")
_VERSIONS = ("v1", "v1beta1")
_CONDITIONS_MAX = 64
_AUDIT_MAX = 20
_FORM = "desired format: https://host[/path]"
_NOTHING_TO_DO = "validations or auditAnnotations must contain at least one item"
_TWICE = (
    "must not contain both Deny and Warn (repeating the same validation failure information "
    "in the API response and headers serves no purpose)"
)


def _known(value: Object, key: str, known: tuple[str, ...], path: str, causes: Causes) -> None:
    found = value.get(key)
    if found is not None and found not in known:
        causes.not_supported(f"{path}.{key}", found, known)


def _webhooks(change: Change, causes: Causes) -> None:
    taken: set[str] = set()
    for index, hook in enumerate(change.object.get("webhooks") or ()):
        path, name = f"webhooks[{index}]", hook.get("name") or ""
        _webhook(hook, path, causes)
        _review_versions(hook, f"{path}.admissionReviewVersions", causes)
        if name and name in taken:
            causes.duplicate(f"{path}.name", name)
        taken.add(name)


def _webhook(hook: Object, path: str, causes: Causes) -> None:
    fully_qualified(hook.get("name") or "", f"{path}.name", causes)
    for index, rule in enumerate(hook.get("rules") or ()):
        _rule(rule, f"{path}.rules[{index}]", causes)
    _known(hook, "failurePolicy", _FAILURE, path, causes)
    _known(hook, "matchPolicy", _MATCH, path, causes)
    if hook.get("sideEffects") is None:
        text = f"must specify one of {', '.join(_SIDE_EFFECTS)}"
        causes.required(f"{path}.sideEffects", text)
    _known(hook, "sideEffects", _SIDE_EFFECTS, path, causes)
    timeout = hook.get("timeoutSeconds")
    if timeout is not None and not 1 <= timeout <= 30:
        text = "the timeout value must be between 1 and 30 seconds"
        causes.invalid(f"{path}.timeoutSeconds", timeout, text)
    for key in ("namespaceSelector", "objectSelector"):
        label_selector(hook.get(key), f"{path}.{key}", causes)
    _known(hook, "reinvocationPolicy", _REINVOCATION, path, causes)
    client(hook.get("clientConfig") or {}, f"{path}.clientConfig", causes)
    _conditions(hook.get("matchConditions") or [], f"{path}.matchConditions", causes)


def client(config: Object, path: str, causes: Causes) -> None:
    """Check how a webhook is reached: by a URL or a Service, not both."""
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        causes.required(path, "exactly one of url or service is required")
    elif url is not None:
        _url(url, f"{path}.url", causes)
    else:
        service_reference(service or {}, f"{path}.service", causes)


def _url(url: str, path: str, causes: Causes) -> None:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        causes.required(path, f"url must be a valid URL: {error}; {_FORM}")
        return
    if parts.scheme != "https":
        text = f"'https' is the only allowed URL scheme; {_FORM}"
        causes.invalid(path, parts.scheme, text)
    host = parts.netloc.rpartition("@")[2]
    if not host:
        causes.invalid(path, host, f"host must be specified; {_FORM}")
    if "@" in parts.netloc:
        user = parts.netloc.rpartition("@")[0]
        causes.invalid(path, user, "user information is not permitted in the URL")
    if parts.fragment:
        causes.invalid(path, parts.fragment, "fragments are not permitted in the URL")
    if parts.query:
        causes.invalid(path, parts.query, "query parameters are not permitted in the URL")


def service_reference(service: Object, path: str, causes: Causes) -> None:
    """Check a reference to a Service that answers requests."""
    for key in ("name", "namespace"):
        if not service.get(key):
            causes.required(f"{path}.{key}", f"service {key} is required")
    port = service.get("port")
    if port is not None and names.check_port_number(port):
        fault = "; ".join(names.check_port_number(port))
        causes.invalid(f"{path}.port", port, f"port is not valid: {fault}")
    text = service.get("path")
    if text is None:
        return
    where = f"{path}.path"
    if text in ("/", ""):
        return
    if text == "//":
        causes.invalid(where, text, "segment[0] may not be empty")
        return
    if not text.startswith("/"):
        causes.invalid(where, text, "must start with a '/'")
    steps = text[1:].removesuffix("/").split("/")
    for index, step in enumerate(steps):
        if not step:
            causes.invalid(where, text, f"segment[{index}] may not be empty")
        for fault in names.check_subdomain(step) if step else ():
            causes.invalid(where, text, f"segment[{index}]: {fault}")


def _review_versions(hook: Object, path: str, causes: Causes) -> None:
    versions = hook.get("admissionReviewVersions") or []
    listed = ", ".join(_VERSIONS)
    if not versions:
        causes.required(path, f"must specify one of {listed}")
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            causes.invalid(f"{path}[{index}]", version, "duplicate version")
        else:
            causes.faults(f"{path}[{index}]", version, names.check_label_1035(version))
    if not any(version in _VERSIONS for version in versions):
        causes.invalid(path, versions, f"must include at least one of {listed}")


def _rule(rule: Object, path: str, causes: Causes) -> None:
    operations = rule.get("operations") or []
    if not operations:
        causes.required(f"{path}.operations")
    if len(operations) > 1 and "*" in operations:
        text = "if '*' is present, must not specify other operations"
        causes.invalid(f"{path}.operations", operations, text)
    for index, operation in enumerate(operations):
        if operation not in _OPERATIONS:
            causes.not_supported(f"{path}.operations[{index}]", operation, _OPERATIONS)
    for key, noun in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        values = rule.get(key) or []
        if not values:
            causes.required(f"{path}.{key}")
        if len(values) > 1 and "*" in values:
            text = f"if '*' is present, must not specify other {noun}"
            causes.invalid(f"{path}.{key}", values, text)
    for index, version in enumerate(rule.get("apiVersions") or ()):
        if not version:
            causes.required(f"{path}.apiVersions[{index}]")
    _resources(rule.get("resources") or [], f"{path}.resources", causes)
    _known(rule, "scope", _SCOPES, path, causes)


def _resources(values: list[str], path: str, causes: Causes) -> None:
    if not values:
        causes.required(path)
    all_of: set[str] = set()
    of_all: set[str] = set()
    plain = False
    for index, value in enumerate(values):
        if not value:
            causes.required(f"{path}[{index}]")
            continue
        resource, slash, sub = value.partition("/")
        if not slash:
            plain = value != "*"
            continue
        if resource in all_of:
            text = f"if '{resource}/*' is present, must not specify {value}"
            causes.invalid(f"{path}[{index}]", value, text)
        if sub in of_all:
            text = f"if '*/{sub}' is present, must not specify {value}"
            causes.invalid(f"{path}[{index}]", value, text)
        if sub == "*":
            all_of.add(resource)
        if resource == "*":
            of_all.add(sub)
    if len(values) > 1 and "*/*" in values:
        causes.invalid(path, values, "if '*/*' is present, must not specify other resources")
    if "*" in values and plain:
        text = "if '*' is present, must not specify other resources without subresources"
        causes.invalid(path, values, text)


def _conditions(values: list[Object], path: str, causes: Causes) -> None:
    if len(values) > _CONDITIONS_MAX:
        causes.too_many(path, len(values), _CONDITIONS_MAX)
    taken: set[str] = set()
    for index, condition in enumerate(values):
        here, name = f"{path}[{index}]", condition.get("name") or ""
        if not (condition.get("expression") or "").strip():
            causes.required(f"{here}.expression")
        if not name:
            causes.required(f"{here}.name")
        else:
            causes.faults(f"{here}.name", name, names.check_qualified_name(name))
            if name in taken:
                causes.duplicate(f"{here}.name", name)
            taken.add(name)


def _match_resources(value: Object, path: str, causes: Causes) -> None:
    _known(value, "matchPolicy", _MATCH, path, causes)
    for key in ("namespaceSelector", "objectSelector"):
        label_selector(value.get(key), f"{path}.{key}", causes)
    for key in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(value.get(key) or ()):
            here = f"{path}.{key}[{index}]"
            _resource_names(rule.get("resourceNames") or (), f"{here}.resourceNames", causes)
            _rule(rule, here, causes)


def _resource_names(values: Iterable[str], path: str, causes: Causes) -> None:
    taken: set[str] = set()
    for index, name in enumerate(values):
        causes.faults(f"{path}[{index}]", name, names.check_path_segment(name))
        if name in taken:
            causes.duplicate(f"{path}[{index}]", name)
        taken.add(name)


def _policy(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    _policy_match(spec, causes)
    _variables(spec.get("variables") or [], causes)
    validations, audits = spec.get("validations") or [], spec.get("auditAnnotations") or []
    if not validations and not audits:
        causes.required("spec.validations", _NOTHING_TO_DO)
        causes.required("spec.auditAnnotations", _NOTHING_TO_DO)
        return
    for index, validation in enumerate(validations):
        _validation(validation, f"spec.validations[{index}]", causes)
    if len(audits) > _AUDIT_MAX:
        text = f"must not have more than {_AUDIT_MAX} auditAnnotations"
        causes.invalid("spec.auditAnnotations", audits, text)
    owner, taken = change.object["metadata"].get("name") or "", set()
    for index, audit in enumerate(audits):
        path, key = f"spec.auditAnnotations[{index}]", audit.get("key") or ""
        name = f"{owner}/{key}" if owner else key
        causes.faults(f"{path}.key", key, names.check_qualified_name(name))
        if not (audit.get("valueExpression") or "").strip():
            text = "valueExpression is not specified"
            causes.required(f"{path}.valueExpression", text)
        if key in taken:
            causes.duplicate(f"{path}.key", key)
        taken.add(key)


def _policy_match(spec: Object, causes: Causes) -> None:
    """Check what every admission policy says first: when it runs, and for what."""
    causes.one_of("spec.failurePolicy", spec.get("failurePolicy"), _FAILURE)
    if spec.get("paramKind") is not None:
        _param_kind(spec["paramKind"], "spec.paramKind", causes)
    match = spec.get("matchConstraints")
    if match is None:
        causes.required("spec.matchConstraints")
    else:
        _match_resources(match, "spec.matchConstraints", causes)
        if not match.get("resourceRules"):
            causes.required("spec.matchConstraints.resourceRules")
    _conditions(spec.get("matchConditions") or [], "spec.matchConditions", causes)


def _param_kind(value: Object, path: str, causes: Causes) -> None:
    version, kind = value.get("apiVersion") or "", value.get("kind") or ""
    group, slash, number = version.partition("/")
    if not slash:
        group, number = "", version
    if not version:
        causes.required(f"{path}.apiVersion")
    elif "/" in number:
        text = f"unexpected GroupVersion string: {version}"
        causes.invalid(f"{path}.apiVersion", version, text)
    else:
        if group and names.check_subdomain(group):
            causes.invalid(f"{path}.apiVersion", group, ",".join(names.check_subdomain(group)))
        if not number:
            causes.invalid(f"{path}.apiVersion", version, "version must be specified")
        elif names.check_label_1035(number):
            faults = ",".join(names.check_label_1035(number))
            causes.invalid(f"{path}.apiVersion", number, faults)
    if not kind:
        causes.required(f"{path}.kind")
    elif names.check_label_1035(kind.lower()):
        faults = ",".join(names.check_label_1035(kind.lower()))
        text = f"may have mixed case, but should otherwise match: {faults}"
        causes.invalid(f"{path}.kind", kind, text)


def _variables(values: list[Object], causes: Causes) -> None:
    for index, variable in enumerate(values):
        path, name = f"spec.variables[{index}]", (variable.get("name") or "").strip()
        if not name:
            causes.required(f"{path}.name", "name is not specified")
        elif names.check_c_identifier(name):
            causes.invalid(f"{path}.name", name, "name is not a valid CEL identifier")
        if not (variable.get("expression") or "").strip():
            causes.required(f"{path}.expression", "expression is not specified")


def _validation(value: Object, path: str, causes: Causes) -> None:
    expression, message = value.get("expression") or "", value.get("message") or ""
    shown = value.get("messageExpression") or ""
    if not expression.strip():
        causes.required(f"{path}.expression", "expression is not specified")
    if shown and not shown.strip():
        causes.invalid(f"{path}.messageExpression", shown, "must be non-empty if specified")
    if message and not message.strip():
        causes.invalid(f"{path}.message", message, "message must be non-empty if specified")
    elif "\n" in message.strip() or "\r" in message.strip():
        causes.invalid(f"{path}.message", message, "message must not contain line breaks")
    _known(value, "reason", _REASONS, path, causes)


def _mutating_policy(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    _policy_match(spec, causes)
    _variables(spec.get("variables") or [], causes)
    mutations = spec.get("mutations") or []
    if not mutations:
        causes.required("spec.mutations", "mutations must contain at least one item")
    for index, mutation in enumerate(mutations):
        path, kind = f"spec.mutations[{index}]", mutation.get("patchType") or ""
        field = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}.get(kind)
        if not kind:
            causes.required(f"{path}.patchType")
        elif field is None:
            causes.not_supported(f"{path}.patchType", kind, ("ApplyConfiguration", "JSONPatch"))
        elif mutation.get(field) is None:
            causes.required(f"{path}.{field}", f"must be specified when patchType is {kind}")
        elif not (mutation[field].get("expression") or "").strip():
            causes.required(f"{path}.{field}.expression", "expression is not specified")
    if not spec.get("reinvocationPolicy"):
        causes.required("spec.reinvocationPolicy")
    else:
        _known(spec, "reinvocationPolicy", _REINVOCATION, "spec", causes)


def _binding(change: Change, causes: Causes) -> None:
    _binding_of(change, causes)
    actions = (change.object.get("spec") or {}).get("validationActions") or []
    path = "spec.validationActions"
    for index, action in enumerate(actions):
        if action not in _ACTIONS:
            causes.not_supported(f"{path}[{index}]", action, _ACTIONS)
        if action in actions[:index]:
            causes.duplicate(f"{path}[{index}]", action)
    if "Deny" in actions and "Warn" in actions:
        causes.invalid(path, actions, _TWICE)
    if not actions:
        causes.required(path, "at least one validation action is required")


def _binding_of(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    name = spec.get("policyName") or ""
    if not name:
        causes.required("spec.policyName")
    else:
        causes.faults("spec.policyName", name, names.check_subdomain(name))
    reference = spec.get("paramRef")
    if reference is not None:
        _param_ref(reference, "spec.paramRef", causes)
    if spec.get("matchResources") is not None:
        _match_resources(spec["matchResources"], "spec.matchResources", causes)


def _param_ref(value: Object, path: str, causes: Causes) -> None:
    name, selector = value.get("name"), value.get("selector")
    text = "name and selector are mutually exclusive"
    if name:
        causes.faults(f"{path}.name", name, names.check_path_segment(name))
        if selector is not None:
            causes.forbidden(f"{path}.name", text)
    if selector is not None:
        label_selector(selector, f"{path}.selector", causes)
        if name:
            causes.forbidden(f"{path}.selector", text)
    if not name and selector is None:
        causes.required(path, "one of name or selector must be specified")
    action = value.get("parameterNotFoundAction")
    if action is None:
        causes.required(f"{path}.parameterNotFoundAction")
    elif action not in ("Allow", "Deny"):
        causes.not_supported(f"{path}.parameterNotFoundAction", action, ("Deny", "Allow"))


WEBHOOKS = Rules(always=_webhooks, namespaced=False, strict_finalizers=False)
VALIDATING_POLICY = Rules(always=_policy, namespaced=False, strict_finalizers=False)
MUTATING_POLICY = Rules(always=_mutating_policy, namespaced=False, strict_finalizers=False)
VALIDATING_BINDING = Rules(always=_binding, namespaced=False, strict_finalizers=False)
MUTATING_BINDING = Rules(always=_binding_of, namespaced=False, strict_finalizers=False)
