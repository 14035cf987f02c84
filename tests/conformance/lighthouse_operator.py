"""An operator of lighthouses, run by `kopf run`: each one is kept by a ConfigMap that it owns."""

from __future__ import annotations

from typing import Any

import kopf
from kubernetes import client, config


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    config.load_kube_config()
    settings.watching.server_timeout = 5
    settings.persistence.finalizer = "sea.example/keeper"


@kopf.on.create("sea.example", "v1", "lighthouses")
def built(name: str, namespace: str, spec: Any, patch: kopf.Patch, body: Any, **_: Any) -> Any:
    keeper = {"metadata": {"name": name}, "data": {"colour": spec["colour"]}}
    kopf.adopt(keeper, owner=body)
    kopf.label(keeper, {"sea.example/lit": "yes"})
    client.CoreV1Api().create_namespaced_config_map(namespace, keeper)
    patch.status["colour"] = spec["colour"]
    kopf.info(body, reason="Lit", message=f"the light is {spec['colour']}")
    return {"keeper": name}


@kopf.on.update("sea.example", "v1", "lighthouses", field="spec.colour")
def painted(name: str, namespace: str, old: str, new: str, patch: kopf.Patch, **_: Any) -> None:
    if new == "black":
        raise kopf.PermanentError("a light is not black")
    change = {"data": {"colour": new, "before": old}}
    client.CoreV1Api().patch_namespaced_config_map(name, namespace, change)
    patch.status["colour"] = new


@kopf.on.delete("sea.example", "v1", "lighthouses")
def demolished(name: str, namespace: str, **_: Any) -> None:
    ruin = {"metadata": {"name": f"{name}-ruin"}}
    client.CoreV1Api().create_namespaced_config_map(namespace, ruin)


@kopf.timer("sea.example", "v1", "lighthouses", interval=0.5)
def turn(status: Any, patch: kopf.Patch, **_: Any) -> None:
    patch.status["turns"] = status.get("turns", 0) + 1
