"""The kinds of rbac.authorization.k8s.io."""

from __future__ import annotations

from roost.api.columns import control as control_columns
from roost.api.defaults import policy as policy_defaults
from roost.api.kind import Kind
from roost.api.strategies.strategy import PLAIN
from roost.api.validation import rbac as rbac_rules

GROUP = "rbac.authorization.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="ClusterRoleBinding",
        plural="clusterrolebindings",
        namespaced=False,
        schema="io.k8s.api.rbac.v1.ClusterRoleBinding",
        columns=control_columns.CLUSTER_ROLE_BINDINGS,
        singular="clusterrolebinding",
        create_on_update=True,
        name_rule="path",
        default=policy_defaults.binding,
        prepare=PLAIN,
        validate=rbac_rules.CLUSTER_ROLE_BINDING,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="ClusterRole",
        plural="clusterroles",
        namespaced=False,
        schema="io.k8s.api.rbac.v1.ClusterRole",
        singular="clusterrole",
        create_on_update=True,
        name_rule="path",
        default=policy_defaults.role,
        prepare=PLAIN,
        validate=rbac_rules.CLUSTER_ROLE,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="RoleBinding",
        plural="rolebindings",
        namespaced=True,
        schema="io.k8s.api.rbac.v1.RoleBinding",
        columns=control_columns.ROLE_BINDINGS,
        singular="rolebinding",
        create_on_update=True,
        name_rule="path",
        default=policy_defaults.binding,
        prepare=PLAIN,
        validate=rbac_rules.ROLE_BINDING,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="Role",
        plural="roles",
        namespaced=True,
        schema="io.k8s.api.rbac.v1.Role",
        singular="role",
        create_on_update=True,
        name_rule="path",
        default=policy_defaults.role,
        prepare=PLAIN,
        validate=rbac_rules.ROLE,
    ),
)
