"""The core group, v1: configmaps, secrets, serviceaccounts."""

from __future__ import annotations

from roost.api.columns import core as core_columns
from roost.api.defaults import config as config_defaults
from roost.api.groups.selectable import text
from roost.api.kind import Kind, Subresource
from roost.api.strategies import config as config_strategy
from roost.api.strategies.strategy import PLAIN
from roost.api.validation import config as config_rules

KINDS = (
    Kind(
        group="",
        version="v1",
        name="ConfigMap",
        plural="configmaps",
        namespaced=True,
        schema="io.k8s.api.core.v1.ConfigMap",
        columns=core_columns.CONFIG_MAPS,
        singular="configmap",
        short_names=("cm",),
        default=config_defaults.config_map,
        prepare=PLAIN,
        validate=config_rules.CONFIG_MAP,
    ),
    Kind(
        group="",
        version="v1",
        name="Secret",
        plural="secrets",
        namespaced=True,
        schema="io.k8s.api.core.v1.Secret",
        columns=core_columns.SECRETS,
        singular="secret",
        fields={"type": text("type")},
        default=config_defaults.secret,
        prepare=PLAIN,
        validate=config_rules.SECRET,
    ),
    Kind(
        group="",
        version="v1",
        name="ServiceAccount",
        plural="serviceaccounts",
        namespaced=True,
        schema="io.k8s.api.core.v1.ServiceAccount",
        columns=core_columns.SERVICE_ACCOUNTS,
        singular="serviceaccount",
        returns_deleted=True,
        short_names=("sa",),
        subresources={
            "token": Subresource(("create",), "TokenRequest", "authentication.k8s.io", "v1")
        },
        prepare=config_strategy.SERVICE_ACCOUNT,
        validate=config_rules.SERVICE_ACCOUNT,
    ),
)
