"""Where a webhook is called: a URL as it is, a Service at its address."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from roost.api.kind import Resource
from roost.apiserver.admission.webhooks.hooks import endpoint_of, hooks_of
from roost.apiserver.admission.webhooks.port import CallFailed, Endpoint


class Services:
    """The Lookup port over one Service."""

    def __init__(self, **spec: Any) -> None:
        self.spec = spec

    async def get(self, resource: Resource, name: str, namespace: str = "") -> dict | None:
        found = (resource.plural, name, namespace) == ("services", "hook", "n")
        return {"spec": self.spec} if found else None

    async def list(self, resource: Resource, namespace: str = "") -> list[dict]:
        return []


def endpoint(services: Services, **client: Any) -> Endpoint:
    webhook = {"name": "a.example.com", "clientConfig": client, "timeoutSeconds": 3}
    (hook,) = hooks_of([{"metadata": {"name": "x"}, "webhooks": [webhook]}])
    return asyncio.run(endpoint_of(hook, services))


PORTS = [{"port": 443}, {"port": 8443}]


def test_url():
    ca = base64.b64encode(b"PEM").decode()
    found = endpoint(Services(), url="https://h.example/x", caBundle=ca)
    assert found == Endpoint("https://h.example/x", "PEM")


@pytest.mark.parametrize(
    ("more", "url", "port"),
    [
        ({}, "https://hook.n.svc:443/", 443),
        ({"path": "/a/b", "port": 8443}, "https://hook.n.svc:8443/a/b", 8443),
    ],
)
def test_service(more, url, port):
    services = Services(clusterIP="10.96.0.9", ports=PORTS)
    found = endpoint(services, service={"name": "hook", "namespace": "n", **more})
    assert found == Endpoint(url, "", ("10.96.0.9", port))


@pytest.mark.parametrize(
    ("spec", "service", "why"),
    [
        ({}, {"name": "other"}, 'service "other" not found'),
        ({"clusterIP": "None"}, {}, 'cannot route to service with ClusterIP "None"'),
        (
            {"clusterIP": "10.96.0.9", "ports": PORTS}, {"port": 80},
            'no service port 80 found for service "hook"',
        ),
    ],
)  # fmt: skip
def test_service_that_cannot_be_reached(spec, service, why):
    with pytest.raises(CallFailed) as caught:
        endpoint(Services(**spec), service={"name": "hook", "namespace": "n", **service})
    assert str(caught.value).endswith(f'?timeout=3s": {why}')
