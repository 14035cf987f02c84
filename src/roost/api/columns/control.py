"""The columns of kinds that rule over the cluster: access, certificates, admission, API, flow."""

from __future__ import annotations

from typing import Any

from roost.api.columns.cells import (
    AGE,
    NAME,
    NONE,
    UNSET,
    at,
    condition,
    count,
    described,
    duration_text,
    get,
    go_selector,
)
from roost.api.kind import Column
from roost.api.values import Object


def _role(value: Object, _: float) -> str:
    ref = value.get("roleRef") or {}
    return f"{ref.get('kind', '')}/{ref.get('name', '')}"


def _subjects(kind: str) -> Any:
    def cell(value: Object, _: float) -> str:
        found = [s for s in value.get("subjects") or () if s.get("kind") == kind]
        if kind != "ServiceAccount":
            return ", ".join(s.get("name", "") for s in found)
        return ", ".join(f"{s.get('namespace') or ''}/{s.get('name', '')}" for s in found)

    return cell


def _bindings(kind: str, role: str) -> tuple[Column, ...]:
    return (
        NAME,
        Column("Role", _role, description=role),
        AGE,
        Column("Users", _subjects("User"), priority=1, description=f"Users in the {kind}"),
        Column("Groups", _subjects("Group"), priority=1, description=f"Groups in the {kind}"),
        Column("ServiceAccounts", _subjects("ServiceAccount"), priority=1,
               description=f"ServiceAccounts in the {kind}"),
    )  # fmt: skip


#: These are the texts of an older version of the group, which the schema document has changed.
ROLE_BINDINGS = _bindings(
    "roleBinding",
    "RoleRef can reference a Role in the current namespace or a ClusterRole in the global "
    "namespace. If the RoleRef cannot be resolved, the Authorizer must return an error.",
)
CLUSTER_ROLE_BINDINGS = _bindings(
    "clusterRoleBinding",
    "RoleRef can only reference a ClusterRole in the global namespace. If the RoleRef cannot be "
    "resolved, the Authorizer must return an error.",
)


def _request_state(value: Object, _: float) -> str:
    types = {c.get("type") for c in get(value, "status", "conditions") or ()}
    words = ["Denied" if "Denied" in types else "Approved" if "Approved" in types else "Pending"]
    if "Failed" in types:
        words.append("Failed")
    if get(value, "status", "certificate"):
        words.append("Issued")
    return ",".join(words)


def _requested_duration(value: Object, _: float) -> str:
    seconds = get(value, "spec", "expirationSeconds")
    return NONE if seconds is None else duration_text(seconds)


_CSR = "certificates.v1.CertificateSigningRequest"
#: As the kind's first version, which is served no more, described it.
_SIGNER = (
    "Requested signer for the request. It is a qualified name in the form: "
    "`scope-hostname.io/name`. If empty, it will be defaulted:\n"
    " 1. If it's a kubelet client certificate, it is assigned\n"
    '    "kubernetes.io/kube-apiserver-client-kubelet".\n'
    " 2. If it's a kubelet serving certificate, it is assigned\n"
    '    "kubernetes.io/kubelet-serving".\n'
    ' 3. Otherwise, it is assigned "kubernetes.io/legacy-unknown".\n'
    "Distribution of trust for signers happens out of band. You can select on this field using "
    "`spec.signerName`."
)
CERTIFICATE_SIGNING_REQUESTS = (
    NAME,
    AGE,
    Column("SignerName", lambda v, _: get(v, "spec", "signerName") or NONE,
           description=_SIGNER),
    Column("Requestor", at("spec", "username"), description="Base64-encoded PKCS#10 CSR data"),
    Column("RequestedDuration", _requested_duration,
           description=described(f"{_CSR}Spec.expirationSeconds")),
    Column("Condition", _request_state,
           description="Conditions applied to the request, such as approval or denial."),
)  # fmt: skip

LEASES = (
    NAME,
    Column("Holder", at("spec", "holderIdentity"),
           description=described("coordination.v1.LeaseSpec.holderIdentity")),
    AGE,
)  # fmt: skip

RUNTIME_CLASSES = (NAME, Column("Handler", at("handler")), AGE)

WEBHOOKS = (
    NAME,
    Column("Webhooks", count("webhooks"), "integer", description="Webhooks indicates the number "
           "of webhooks registered in this configuration"),
    AGE,
)  # fmt: skip


def _param_kind(value: Object, _: float) -> str:
    kind = get(value, "spec", "paramKind")
    return f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind else UNSET


def _param_ref(value: Object, _: float) -> str:
    ref = get(value, "spec", "paramRef")
    if not ref:
        return UNSET
    if ref.get("name"):
        return f"{ref.get('namespace') or '*'}/{ref['name']}"
    return go_selector(ref["selector"]) if ref.get("selector") is not None else UNSET


def _policies(column: Column) -> tuple[Column, ...]:
    return (
        NAME,
        column,
        Column("ParamKind", _param_kind, description="ParamKind specifies the kind of resources "
               "used to parameterize this policy"),
        AGE,
    )  # fmt: skip


VALIDATING_ADMISSION_POLICIES = _policies(
    Column("Validations", count("spec", "validations"), "integer", description="Validations "
           "indicates the number of validation rules defined in this configuration")
)  # fmt: skip
MUTATING_ADMISSION_POLICIES = _policies(
    Column("Mutations", count("spec", "mutations"), "integer", description="Mutation indicates "
           "the number of mutations rules defined in this configuration")
)  # fmt: skip
ADMISSION_POLICY_BINDINGS = (
    NAME,
    Column("PolicyName", at("spec", "policyName"), description="PolicyName indicates the policy "
           "definition which the policy binding binded to"),
    Column("ParamRef", _param_ref, description="ParamRef indicates the param resource which sets "
           "the configration param"),
    AGE,
)  # fmt: skip


def _service(value: Object, _: float) -> str:
    ref = get(value, "spec", "service")
    return f"{ref.get('namespace', '')}/{ref.get('name', '')}" if ref else "Local"


def _available(value: Object, _: float) -> str:
    found = condition(value, "Available")
    if found is None:
        return "Unknown"
    status = str(found.get("status"))
    return status if status == "True" else f"{status} ({found.get('reason', '')})"


API_SERVICES = (
    NAME,
    Column("Service", _service,
           description="The reference to the service that hosts this API endpoint."),
    Column("Available", _available, description="Whether this service is available."),
    AGE,
)  # fmt: skip


def _dangling(schema: Object, _: float) -> str:
    found = condition(schema, "Dangling")
    return "?" if found is None else str(found.get("status"))


_FLOW = "flowcontrol.v1."
FLOW_SCHEMAS = (
    NAME,
    Column("PriorityLevel", at("spec", "priorityLevelConfiguration", "name"),
           description=described(f"{_FLOW}PriorityLevelConfigurationReference.name")),
    Column("MatchingPrecedence", at("spec", "matchingPrecedence", default=0),
           description=described(f"{_FLOW}FlowSchemaSpec.matchingPrecedence")),
    Column("DistinguisherMethod", at("spec", "distinguisherMethod", "type", default=NONE),
           description=described(f"{_FLOW}FlowSchemaSpec.distinguisherMethod")),
    AGE,
    Column("MissingPL", _dangling,
           description="references a broken or non-existent PriorityLevelConfiguration"),
)  # fmt: skip


def _queuing(name: str, field: str) -> Column:
    cell = at("spec", "limited", "limitResponse", "queuing", field, default=NONE)
    return Column(name, cell, description=described(f"{_FLOW}QueuingConfiguration.{field}"))


PRIORITY_LEVEL_CONFIGURATIONS = (
    NAME,
    Column("Type", at("spec", "type"),
           description=described(f"{_FLOW}PriorityLevelConfigurationSpec.type")),
    Column("NominalConcurrencyShares",
           at("spec", "limited", "nominalConcurrencyShares", default=NONE),
           description=described(f"{_FLOW}LimitedPriorityLevelConfiguration."
                                 "nominalConcurrencyShares")),
    _queuing("Queues", "queues"),
    _queuing("HandSize", "handSize"),
    _queuing("QueueLengthLimit", "queueLengthLimit"),
    AGE,
)  # fmt: skip


def _claim_state(claim: Object, _: float) -> str:
    deleted = bool(get(claim, "metadata", "deletionTimestamp"))
    states = ["deleted"] if deleted else []
    if get(claim, "status", "allocation") is None:
        states += [] if deleted else ["pending"]
    else:
        states.append("allocated")
        states += ["reserved"] if get(claim, "status", "reservedFor") else []
    return ",".join(states)


RESOURCE_CLAIMS = (
    NAME,
    Column("State", _claim_state,
           description="A summary of the current state (allocated, pending, reserved, etc.)."),
    AGE,
)  # fmt: skip
RESOURCE_CLAIM_TEMPLATES = (NAME, AGE)
DEVICE_CLASSES = (NAME, AGE)
RESOURCE_SLICES = (
    NAME,
    Column("Node", at("spec", "nodeName"),
           description=described("resource.v1.ResourceSliceSpec.nodeName")),
    Column("Driver", at("spec", "driver"),
           description=described("resource.v1.ResourceSliceSpec.driver")),
    Column("Pool", at("spec", "pool", "name"),
           description=described("resource.v1.ResourcePool.name")),
    AGE,
)  # fmt: skip
