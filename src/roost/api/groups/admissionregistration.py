"""The kinds of admissionregistration.k8s.io."""

from __future__ import annotations

from roost.api.columns import control as control_columns
from roost.api.defaults import extension as extension_defaults
from roost.api.kind import READ_WRITE, Kind, Subresource
from roost.api.strategies import extension as extension_strategy
from roost.api.validation import admissionpolicies as policy_rules
from roost.api.validation import webhooks as webhooks_rules

GROUP = "admissionregistration.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="MutatingAdmissionPolicy",
        plural="mutatingadmissionpolicies",
        namespaced=False,
        schema="io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicy",
        columns=control_columns.MUTATING_ADMISSION_POLICIES,
        singular="mutatingadmissionpolicy",
        categories=("api-extensions",),
        unconditional_update=False,
        default=extension_defaults.admission_policy,
        prepare=extension_strategy.ADMISSION_POLICY_BINDING,
        validate=policy_rules.MUTATING_POLICY,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="MutatingAdmissionPolicyBinding",
        plural="mutatingadmissionpolicybindings",
        namespaced=False,
        schema="io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicyBinding",
        columns=control_columns.ADMISSION_POLICY_BINDINGS,
        singular="mutatingadmissionpolicybinding",
        categories=("api-extensions",),
        unconditional_update=False,
        default=extension_defaults.admission_policy_binding,
        prepare=extension_strategy.ADMISSION_POLICY_BINDING,
        validate=policy_rules.MUTATING_BINDING,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="MutatingWebhookConfiguration",
        plural="mutatingwebhookconfigurations",
        namespaced=False,
        schema="io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration",
        columns=control_columns.WEBHOOKS,
        singular="mutatingwebhookconfiguration",
        categories=("api-extensions",),
        unconditional_update=False,
        default=extension_defaults.mutating_webhooks,
        prepare=extension_strategy.WEBHOOKS,
        validate=webhooks_rules.WEBHOOKS,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="ValidatingAdmissionPolicy",
        plural="validatingadmissionpolicies",
        namespaced=False,
        schema="io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy",
        columns=control_columns.VALIDATING_ADMISSION_POLICIES,
        singular="validatingadmissionpolicy",
        categories=("api-extensions",),
        subresources={"status": Subresource(READ_WRITE, "ValidatingAdmissionPolicy")},
        unconditional_update=False,
        default=extension_defaults.admission_policy,
        prepare=extension_strategy.ADMISSION_POLICY,
        validate=policy_rules.VALIDATING_POLICY,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="ValidatingAdmissionPolicyBinding",
        plural="validatingadmissionpolicybindings",
        namespaced=False,
        schema="io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBinding",
        columns=control_columns.ADMISSION_POLICY_BINDINGS,
        singular="validatingadmissionpolicybinding",
        categories=("api-extensions",),
        unconditional_update=False,
        default=extension_defaults.admission_policy_binding,
        prepare=extension_strategy.ADMISSION_POLICY_BINDING,
        validate=policy_rules.VALIDATING_BINDING,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="ValidatingWebhookConfiguration",
        plural="validatingwebhookconfigurations",
        namespaced=False,
        schema="io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration",
        columns=control_columns.WEBHOOKS,
        singular="validatingwebhookconfiguration",
        categories=("api-extensions",),
        unconditional_update=False,
        default=extension_defaults.validating_webhooks,
        prepare=extension_strategy.WEBHOOKS,
        validate=webhooks_rules.WEBHOOKS,
    ),
)
