"""[sig-api-machinery] AdmissionWebhook of Kubernetes' conformance tests, where no webhook is called."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from certificates import self_signed
from discovery import check_discovery
from e2eimages import AGNHOST
from framework import Framework
from kinds import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    MUTATING_WEBHOOKS,
    NAMESPACES,
    ROLE_BINDINGS,
    SECRETS,
    SERVICES,
    SLICES,
    VALIDATING_WEBHOOKS,
)
from test_deployments import complete
from typedclient import Kind, Refused, Thing, until

pytestmark = pytest.mark.slow
_SERVICE, _DEPLOYMENT = "e2e-test-webhook", "sample-webhook-deployment"
_PORT, _CONTAINER_PORT = 8443, 8444
_CONFIGURATIONS = pytest.mark.parametrize(
    "kind", [VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS], ids=["validating", "mutating"]
)


def webhook_server() -> Thing:
    """Return the deployment of the sample webhook."""
    folder = "/webhook.local.config/certificates"
    container = {
        "name": "sample-webhook",
        "image": AGNHOST,
        "args": [
            "webhook", f"--tls-cert-file={folder}/tls.crt",
            f"--tls-private-key-file={folder}/tls.key", "-v=4", f"--port={_CONTAINER_PORT}",
        ],
        "volumeMounts": [{"name": "webhook-certs", "readOnly": True, "mountPath": folder}],
        "readinessProbe": {
            "httpGet": {"scheme": "HTTPS", "port": _CONTAINER_PORT, "path": "/readyz"},
            "periodSeconds": 1, "successThreshold": 1, "failureThreshold": 30,
        },
        "ports": [{"containerPort": _CONTAINER_PORT}],
    }  # fmt: skip
    labels = {"app": "sample-webhook", "webhook": "true"}
    volume = {"name": "webhook-certs", "secret": {"secretName": "sample-webhook-secret"}}
    spec = {
        "terminationGracePeriodSeconds": 0, "containers": [container], "volumes": [volume]
    }  # fmt: skip
    return {
        "metadata": {"name": _DEPLOYMENT, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate"},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


@pytest.fixture
def deployed(f: Framework) -> Iterator[str]:
    """Deploy the sample webhook as every test of the group does first; return its CA in base64."""
    f.typed(NAMESPACES).retry(
        f.namespace, lambda o: o["metadata"]["labels"].update({f.unique: "true"})
    )
    markers = f"{f.namespace}-markers"
    f.namespaces.append(markers)
    f.typed(NAMESPACES).create({"metadata": {"name": markers, "labels": {markers: "true"}}})
    reader = {
        "metadata": {
            "name": f"webhook-auth-reader-{f.unique}",
            "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
        },
        "roleRef": {
            "apiGroup": "", "kind": "Role", "name": "extension-apiserver-authentication-reader",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": f.namespace}],
    }  # fmt: skip
    bindings = f.typed(ROLE_BINDINGS, "kube-system")
    binding = bindings.create(reader)["metadata"]["name"]
    certificate, key = self_signed(f"{_SERVICE}.{f.namespace}.svc")
    data = {"tls.crt": certificate, "tls.key": key}
    f.typed(SECRETS).create(
        {"metadata": {"name": "sample-webhook-secret"}, "type": "Opaque", "data": data}
    )
    f.typed(DEPLOYMENTS).create(webhook_server())
    made = complete(f, _DEPLOYMENT)
    assert made["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    ports = [{"protocol": "TCP", "port": _PORT, "targetPort": _CONTAINER_PORT}]
    f.typed(SERVICES).create(
        {
            "metadata": {"name": _SERVICE, "labels": {"test": "webhook"}},
            "spec": {"selector": {"webhook": "true"}, "ports": ports},
        }
    )
    chosen = f"kubernetes.io/service-name={_SERVICE}"

    def addresses() -> int:
        slices = f.typed(SLICES).items(chosen)
        return sum(len(item["endpoints"]) for item in slices if item.get("endpoints"))

    until(lambda: addresses() == 1)
    yield certificate
    for kind, name in ((SERVICES, _SERVICE), (DEPLOYMENTS, _DEPLOYMENT)):
        f.typed(kind).delete(name)
    bindings.delete(binding)


def webhook(f: Framework, authority: str, name: str, label: str, **more: Any) -> Thing:
    """Return one of a configuration's webhooks, for configmaps of namespaces with a label."""
    service = {"namespace": f.namespace, "name": _SERVICE, "path": "/always-deny", "port": _PORT}
    return {
        "name": f"{name}.k8s.io",
        "rules": [
            {
                "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"],
                "resources": ["configmaps"],
            }
        ],
        "clientConfig": {"service": service, "caBundle": authority},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "namespaceSelector": {"matchLabels": {label: "true"}},
        **more,
    }  # fmt: skip


def configuration(f: Framework, authority: str, conditions: list[Thing]) -> Thing:
    """Return a configuration with match conditions, and with a webhook that shows that it works."""
    return {
        "metadata": {"name": f.unique},
        "webhooks": [
            webhook(f, authority, "webhook-with-match-conditions", f.unique,
                    matchConditions=conditions),
            webhook(f, authority, "is-webhook-configuration-ready", f"{f.namespace}-markers",
                    failurePolicy="Fail"),
        ],
    }  # fmt: skip


def in_namespace(name: str, namespace: str) -> Thing:
    return {"name": name, "expression": f"object.metadata.namespace == '{namespace}'"}


def test_webhook_discovery(f: Framework, deployed: str):
    """AdmissionWebhook should include webhook resources in discovery documents"""
    assert deployed
    check_discovery(
        f.client, "admissionregistration.k8s.io/v1",
        "mutatingwebhookconfigurations", "validatingwebhookconfigurations",
    )  # fmt: skip


@_CONFIGURATIONS
def test_match_conditions(f: Framework, deployed: str, kind: Kind):
    """AdmissionWebhook should be able to create and update validating webhook configurations with match
    conditions; AdmissionWebhook should be able to create and update mutating webhook configurations with
    match conditions"""
    configurations, first = f.typed(kind), [in_namespace("expression-1", "production")]
    configurations.create(configuration(f, deployed, first))
    try:
        found = configurations.get(f.unique)
        assert found["webhooks"][0]["matchConditions"] == first
        both = [*first, in_namespace("expression-2", "staging")]
        found["webhooks"][0]["matchConditions"] = both
        configurations.update(found)
        assert configurations.get(f.unique)["webhooks"][0]["matchConditions"] == both
        # None of the conditions holds here, and so nobody is asked.
        f.typed(CONFIG_MAPS).create({"metadata": {"name": "m"}})
    finally:
        configurations.delete(f.unique)


@_CONFIGURATIONS
def test_wrong_match_conditions(f: Framework, deployed: str, kind: Kind):
    """AdmissionWebhook should reject validating webhook configurations with invalid match conditions;
    AdmissionWebhook should reject mutating webhook configurations with invalid match conditions"""
    wrong = [{"name": "invalid-expression-1", "expression": "... [] bad expression"}]
    with pytest.raises(Refused, match="compilation failed"):
        f.typed(kind).create(configuration(f, deployed, wrong))
    assert not f.typed(kind).exists(f.unique)
