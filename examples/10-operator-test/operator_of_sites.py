"""An operator: a ConfigMap with the label `site` is a Deployment of so many replicas."""

import sys

from kubernetes import client, config, watch


def deployment(site: client.V1ConfigMap) -> dict:
    name = site.metadata.name
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": int(site.data["replicas"]),
            "selector": {"matchLabels": {"site": name}},
            "template": {
                "metadata": {"labels": {"site": name}},
                "spec": {"containers": [{"name": "web", "image": "nginx:1.29"}]},
            },
        },
    }


def run(kubeconfig: str) -> None:
    config.load_kube_config(kubeconfig)
    sites, apps = client.CoreV1Api(), client.AppsV1Api()
    changes = watch.Watch().stream(
        sites.list_namespaced_config_map, "default", label_selector="site"
    )
    for change in changes:
        site = change["object"]
        wanted = deployment(site)
        if change["type"] == "DELETED":
            apps.delete_namespaced_deployment(site.metadata.name, "default")
            continue
        try:
            apps.create_namespaced_deployment("default", wanted)
        except client.ApiException as error:
            if error.status != 409:
                raise
            apps.patch_namespaced_deployment(site.metadata.name, "default", wanted)


if __name__ == "__main__":
    run(sys.argv[1])
