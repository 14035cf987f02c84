"""Rules for admission webhooks."""

from __future__ import annotations

from collections.abc import Sequence

from roost.api import names
from roost.api.cel.admission import CONDITION, Unfit, admission_environment, compiled
from roost.api.cel.environment import Environment
from roost.api.cel.types import DYN, Type
from roost.api.kind import Change
from roost.api.uris import parse_reference, reference_fault
from roost.api.validation.causes import Causes
from roost.api.validation.domains import fully_qualified
from roost.api.validation.rules import Rules
from roost.api.validation.selectors import label_selector
from roost.api.values import Object

FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")
REINVOCATION = ("IfNeeded", "Never")
_VERSIONS = ("v1", "v1beta1")
_CONDITIONS_MAX = 64
_FORM = "desired format: https://host[/path]"


def known(value: Object, key: str, choices: tuple[str, ...], path: str, causes: Causes) -> None:
    """Check that a field, if set, has one of the known values."""
    found = value.get(key)
    if found is not None and found not in choices:
        causes.not_supported(f"{path}.{key}", found, choices)


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
    for index, each in enumerate(hook.get("rules") or ()):
        rule(each, f"{path}.rules[{index}]", causes)
    known(hook, "failurePolicy", FAILURE_POLICIES, path, causes)
    known(hook, "matchPolicy", MATCH_POLICIES, path, causes)
    if hook.get("sideEffects") is None:
        text = f"must specify one of {', '.join(_SIDE_EFFECTS)}"
        causes.required(f"{path}.sideEffects", text)
    known(hook, "sideEffects", _SIDE_EFFECTS, path, causes)
    timeout = hook.get("timeoutSeconds")
    if timeout is not None and not 1 <= timeout <= 30:
        text = "the timeout value must be between 1 and 30 seconds"
        causes.invalid(f"{path}.timeoutSeconds", timeout, text)
    for key in ("namespaceSelector", "objectSelector"):
        label_selector(hook.get(key), f"{path}.{key}", causes)
    known(hook, "reinvocationPolicy", REINVOCATION, path, causes)
    client(hook.get("clientConfig") or {}, f"{path}.clientConfig", causes)
    environment = admission_environment()
    conditions(hook.get("matchConditions") or [], f"{path}.matchConditions", causes, environment)


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
    fault = reference_fault(url)
    if fault:
        causes.required(path, f"url must be a valid URL: {fault}; {_FORM}")
        return
    parts = parse_reference(url)
    if parts.scheme != "https":
        text = f"'https' is the only allowed URL scheme; {_FORM}"
        causes.invalid(path, parts.scheme, text)
    if not parts.host:
        causes.invalid(path, parts.host, f"host must be specified; {_FORM}")
    if parts.user:
        causes.invalid(path, parts.user, "user information is not permitted in the URL")
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


def rule(value: Object, path: str, causes: Causes) -> None:
    """Check one rule: operations on resources that are of interest."""
    operations = value.get("operations") or []
    if not operations:
        causes.required(f"{path}.operations")
    if len(operations) > 1 and "*" in operations:
        text = "if '*' is present, must not specify other operations"
        causes.invalid(f"{path}.operations", operations, text)
    for index, operation in enumerate(operations):
        if operation not in _OPERATIONS:
            causes.not_supported(f"{path}.operations[{index}]", operation, _OPERATIONS)
    for key, noun in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        values = value.get(key) or []
        if not values:
            causes.required(f"{path}.{key}")
        if len(values) > 1 and "*" in values:
            text = f"if '*' is present, must not specify other {noun}"
            causes.invalid(f"{path}.{key}", values, text)
    for index, version in enumerate(value.get("apiVersions") or ()):
        if not version:
            causes.required(f"{path}.apiVersions[{index}]")
    _resources(value.get("resources") or [], f"{path}.resources", causes)
    known(value, "scope", _SCOPES, path, causes)


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


def expression(
    source: str, path: str, causes: Causes, environment: Environment, returns: Sequence[Type]
) -> Type:
    """Check that an expression can be compiled, and return the type of its result."""
    try:
        return compiled(source, environment, returns).result
    except Unfit as error:
        if error.internal:
            causes.internal(path, str(error))
        else:
            causes.invalid(path, source, str(error))
        return DYN


def conditions(values: list[Object], path: str, causes: Causes, environment: Environment) -> None:
    """Check the conditions on which requests are of interest."""
    if len(values) > _CONDITIONS_MAX:
        causes.too_many(path, len(values), _CONDITIONS_MAX)
    taken: set[str] = set()
    for index, condition in enumerate(values):
        here, name = f"{path}[{index}]", condition.get("name") or ""
        source = (condition.get("expression") or "").strip()
        if not source:
            causes.required(f"{here}.expression")
        else:
            expression(source, f"{here}.expression", causes, environment, CONDITION)
        if not name:
            causes.required(f"{here}.name")
        else:
            causes.faults(f"{here}.name", name, names.check_qualified_name(name))
            if name in taken:
                causes.duplicate(f"{here}.name", name)
            taken.add(name)


WEBHOOKS = Rules(always=_webhooks, namespaced=False, strict_finalizers=False)
