"""The kinds of coordination.k8s.io."""

from __future__ import annotations

from roost.api.columns import control as control_columns
from roost.api.defaults import extension as extension_defaults
from roost.api.kind import Kind
from roost.api.strategies.disabled import prepare_lease
from roost.api.validation import policy as policy_rules

GROUP = "coordination.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="Lease",
        plural="leases",
        namespaced=True,
        schema="io.k8s.api.coordination.v1.Lease",
        columns=control_columns.LEASES,
        singular="lease",
        create_on_update=True,
        unconditional_update=False,
        default=extension_defaults.lease,
        prepare=prepare_lease,
        validate=policy_rules.LEASE,
    ),
)
