"""Objects for behaviour cases, short to write: pod("a"), deployment("web", 3), service("web")."""

from __future__ import annotations

from typing import Any, Final

from parity.target import IMAGE

Object = dict[str, Any]
#: Waits, and ends at once when it is told to.
WAIT: Final = "trap 'exit 0' TERM; sleep 100000 & wait"
#: Serves its host name on port 8080.
SERVE: Final = (
    "mkdir -p /tmp/www; hostname > /tmp/www/index.html; exec httpd -f -p 8080 -h /tmp/www"
)
WEB: Final = [{"name": "http", "containerPort": 8080}]


def sh(script: str, name: str = "main", **more: Any) -> Object:
    """Return a container that runs a script."""
    return {"name": name, "image": IMAGE, "command": ["sh", "-c", script], **more}


def pod(name: str, script: str = WAIT, *, labels: Object | None = None, **spec: Any) -> Object:
    """Return a pod. `container` goes into its container, `annotations` and `meta` where they belong."""
    container = spec.pop("container", {})
    meta = spec.pop("meta", {})
    spec.setdefault("terminationGracePeriodSeconds", 1)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {"app": name}, **meta},
        "spec": {"containers": [sh(script, **container)], **spec},
    }


def template(script: str = WAIT, labels: Object | None = None, **spec: Any) -> Object:
    """Return a pod template."""
    made = pod("", script, labels=labels, **spec)
    return {"metadata": {"labels": made["metadata"]["labels"]}, "spec": made["spec"]}


def workload(
    kind: str, name: str, script: str = WAIT, *, pods: Object | None = None, **spec: Any
) -> Object:
    """Return an object of the apps group; `pods` goes to the template."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": {
            "selector": {"matchLabels": dict(labels)},
            "template": template(script, labels, **(pods or {})),
            **spec,
        },
    }


def deployment(name: str, replicas: int = 1, script: str = WAIT, **more: Any) -> Object:
    return workload("Deployment", name, script, replicas=replicas, **more)


def replicaset(name: str, replicas: int = 1, script: str = WAIT, **more: Any) -> Object:
    return workload("ReplicaSet", name, script, replicas=replicas, **more)


def statefulset(name: str, replicas: int = 1, script: str = WAIT, **more: Any) -> Object:
    return workload("StatefulSet", name, script, replicas=replicas, serviceName=name, **more)


def daemonset(name: str, script: str = WAIT, **more: Any) -> Object:
    return workload("DaemonSet", name, script, **more)


def job(name: str, script: str = "true", *, pods: Object | None = None, **spec: Any) -> Object:
    """Return a Job whose pods are not restarted."""
    inner = template(script, {"job": name}, **{"restartPolicy": "Never", **(pods or {})})
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": inner, **spec},
    }


def service(name: str, port: int = 80, target: int | str = 8080, **spec: Any) -> Object:
    """Return a Service of the pods that are labelled app=name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "selector": {"app": name},
            "ports": [{"name": "http", "port": port, "targetPort": target}],
            **spec,
        },
    }


def config(
    name: str, /, kind: str = "ConfigMap", meta: Object | None = None, **data: str
) -> Object:
    """Return a ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, **(meta or {})},
        "data": data,
    }


def secret(name: str, /, **data: str) -> Object:
    """Return a Secret."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": data,
    }


def owned(body: Object, owner: Object, **more: Any) -> Object:
    """Return an object with an owner."""
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        **more,
    }
    return {**body, "metadata": {**body["metadata"], "ownerReferences": [reference]}}
