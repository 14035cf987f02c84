"""How extension servers know that this server vouches for somebody: a ConfigMap tells them."""

from __future__ import annotations

import json
from typing import Final

from roost.api.errors import AlreadyExists, NotFound
from roost.api.kind import Resource
from roost.api.values import Object
from roost.apiserver.aggregation.remote import EXTRA_PREFIX, GROUP_HEADER, UID_HEADER, USER_HEADER
from roost.client.port import Client

CONFIG_MAPS: Final = Resource("", "v1", "configmaps")
NAMESPACE: Final = "kube-system"
NAME: Final = "extension-apiserver-authentication"
#: The common name of the certificate that this server shows to extension servers.
CLIENT_NAME: Final = "front-proxy-client"


def config_map(client_ca: str, front_proxy_ca: str) -> Object:
    """Return the ConfigMap; both authorities are PEM."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "data": {
            "client-ca-file": client_ca,
            "requestheader-allowed-names": json.dumps([CLIENT_NAME]),
            "requestheader-client-ca-file": front_proxy_ca,
            "requestheader-extra-headers-prefix": json.dumps([EXTRA_PREFIX]),
            "requestheader-group-headers": json.dumps([GROUP_HEADER]),
            "requestheader-uid-headers": json.dumps([UID_HEADER]),
            "requestheader-username-headers": json.dumps([USER_HEADER]),
        },
    }


async def publish(client: Client, client_ca: str, front_proxy_ca: str) -> None:
    """Make the ConfigMap, or put its data right."""
    wanted = config_map(client_ca, front_proxy_ca)
    try:
        found = await client.get(CONFIG_MAPS, NAME, NAMESPACE)
    except NotFound:
        try:
            await client.create(CONFIG_MAPS, wanted, NAMESPACE)
        except AlreadyExists:
            return  # a second server of the same cluster was faster
        return
    data = {**(found.get("data") or {}), **wanted["data"]}
    if data != found.get("data"):
        await client.update(CONFIG_MAPS, {**found, "data": data}, NAMESPACE)
