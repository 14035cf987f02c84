"""Rules for API services: which versions of which groups are served, and by whom."""

from __future__ import annotations

from base64 import b64decode

from roost.api import names
from roost.api.kind import Change
from roost.api.validation.causes import Causes
from roost.api.validation.rules import Rules
from roost.api.values import Object

_STATUSES = ("True", "False", "Unknown")


def _api_service(change: Change, causes: Causes) -> None:
    spec, name = change.object.get("spec") or {}, change.object["metadata"].get("name") or ""
    group, version = spec.get("group") or "", spec.get("version") or ""
    wanted = f"{version}.{group}"
    if name != wanted:
        text = f'must be `spec.version+"."+spec.group`: "{wanted}"'
        causes.invalid("metadata.name", name, text)
    if not group and version != "v1":
        causes.required(
            "spec.group", "only v1 may have an empty group and it better be legacy kube"
        )
    if group:
        causes.faults("spec.group", group, names.check_subdomain(group))
    causes.faults("spec.version", version, names.check_label_1035(version))
    for key, limit in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
        number = spec.get(key) or 0
        if not 0 < number <= limit:
            text = f"must be positive and less than {limit}"
            causes.invalid(f"spec.{key}", number, text)
    _api_service_client(spec, causes)


def _api_service_client(spec: Object, causes: Causes) -> None:
    service, bundle = spec.get("service"), spec.get("caBundle")
    insecure = bool(spec.get("insecureSkipTLSVerify"))
    if service is None:
        if bundle:
            shown = f"{len(b64decode(bundle))} bytes"
            causes.invalid("spec.caBundle", shown, "local APIServices may not have a caBundle")
        if insecure:
            text = "local APIServices may not have insecureSkipTLSVerify"
            causes.invalid("spec.insecureSkipTLSVerify", insecure, text)
        return
    for key in ("namespace", "name"):
        if not service.get(key):
            causes.required(f"spec.service.{key}")
    port = service.get("port")
    if port is not None and names.check_port_number(port):
        fault = "; ".join(names.check_port_number(port))
        causes.invalid("spec.service.port", port, f"port is not valid: {fault}")
    if insecure and bundle:
        text = "may not be true if caBundle is present"
        causes.invalid("spec.insecureSkipTLSVerify", insecure, text)


def _status(change: Change, causes: Causes) -> None:
    conditions = (change.object.get("status") or {}).get("conditions") or ()
    for index, condition in enumerate(conditions):
        found = condition.get("status") or ""
        if found not in _STATUSES:
            causes.not_supported(f"status.conditions[{index}].status", found, _STATUSES)


API_SERVICE = Rules(always=_api_service, status=_status, namespaced=False, name_rule="path")
