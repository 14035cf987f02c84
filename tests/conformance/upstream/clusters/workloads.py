"""Workloads as the programme makes them, and waiting for their pods."""

from __future__ import annotations

from typing import Any

from e2eimages import HTTPD, PAUSE
from framework import Framework
from kinds import PODS
from typedclient import Thing, until


def template(labels: dict[str, str], image: str = HTTPD, name: str = "httpd", **spec: Any) -> Thing:
    container = {"name": name, "image": image, "securityContext": {}}
    return {
        "metadata": {"labels": labels},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container], **spec},
    }


def rc(name: str, replicas: int, labels: dict[str, str], image: str = HTTPD) -> Thing:
    """Return a ReplicationController; without a selector, as newRC does."""
    made = template(labels, image, name)
    return {"metadata": {"name": name}, "spec": {"replicas": replicas, "template": made}}


def replica_set(name: str, replicas: int, labels: dict[str, str], image: str = HTTPD) -> Thing:
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": template(labels, image),
        },
    }


deployment = replica_set


def pod(name: str, labels: dict[str, str] | None = None, image: str = PAUSE, **spec: Any) -> Thing:
    container = {"name": "main", "image": image, **spec.pop("container", {})}
    metadata = {"name": name, "labels": labels or {}}
    return {"metadata": metadata, "spec": {"containers": [container], **spec}}


def running(f: Framework, labels: str, count: int) -> list[Thing]:
    """Wait until exactly so many pods run, and return them."""

    def found() -> list[Thing] | None:
        pods = [
            item
            for item in f.typed(PODS).items(labels)
            if item["status"].get("phase") == "Running"
            and not item["metadata"].get("deletionTimestamp")
        ]
        return pods if len(pods) == count else None

    pods: list[Thing] = until(found, what=f"{count} running pods {labels}") if count else []
    return pods


def owner_uids(value: Thing) -> list[str]:
    return [
        owner["uid"]
        for owner in value["metadata"].get("ownerReferences", [])
        if owner.get("controller")
    ]
