"""Objects that are good as they are: what a fuzzer disturbs in one place at a time."""

from __future__ import annotations

from typing import Any

_TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {
        "containers": [{
            "name": "main", "image": "nginx:1", "command": ["a", "$(B)"],
            "env": [{"name": "B", "value": "c"},
                    {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            "ports": [{"containerPort": 80, "name": "http", "hostPort": 8080}],
            "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": 1, "memory": "1Gi"}},
            "livenessProbe": {"httpGet": {"port": "http", "path": "/"}, "periodSeconds": 5},
            "lifecycle": {"preStop": {"exec": {"command": ["x"]}}},
            "volumeMounts": [{"name": "v", "mountPath": "/v"}, {"name": "p", "mountPath": "/p"}],
            "securityContext": {"runAsUser": 1, "capabilities": {"drop": ["ALL"]}},
        }],
        "initContainers": [{"name": "first", "image": "x", "restartPolicy": "Always"}],
        "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}},
                    {"name": "p", "projected": {"sources": [
                        {"configMap": {"name": "c", "items": [{"key": "a", "path": "b"}]}}]}}],
        "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [
                {"key": "a", "operator": "In", "values": ["b"]}]}]}}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "z",
            "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"a": "b"}}}],
        "securityContext": {"fsGroup": 5, "sysctls": [{"name": "kernel.msgmax", "value": "1"}]},
        "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["a"]}],
        "dnsConfig": {"nameservers": ["1.1.1.1"], "options": [{"name": "ndots", "value": "2"}]},
    },
}  # fmt: skip
_SELECTOR = {"matchLabels": {"a": "b"}}
_JOB = {"template": {"spec": {"restartPolicy": "Never",
                              "containers": [{"name": "m", "image": "i"}]}}}  # fmt: skip
_RULE = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"],
         "resources": ["deployments"]}  # fmt: skip

#: (group, plural) -> a good object, without apiVersion, kind and name.
SEEDS: dict[tuple[str, str], dict[str, Any]] = {
    ("", "pods"): {"spec": _TEMPLATE["spec"]},
    ("", "services"): {"spec": {
        "selector": {"a": "b"}, "type": "NodePort", "sessionAffinity": "ClientIP",
        "ports": [{"port": 80, "name": "h", "targetPort": "http"},
                  {"port": 81, "name": "i", "targetPort": 5, "protocol": "UDP"}]}},
    ("", "configmaps"): {"data": {"a": "b"}, "binaryData": {"c": "e30="}},
    ("", "secrets"): {"data": {"a": "e30="}, "stringData": {"x": "y"}, "type": "Opaque"},
    ("", "limitranges"): {"spec": {"limits": [
        {"type": "Container", "default": {"cpu": "1"}, "max": {"cpu": "2"}}]}},
    ("", "resourcequotas"): {"spec": {"hard": {"pods": "100", "limits.cpu": "5000"}}},
    ("", "persistentvolumeclaims"): {"spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
    ("", "persistentvolumes"): {"spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/x"}}},
    ("", "nodes"): {"spec": {"podCIDR": "10.0.0.0/24", "taints": [
        {"key": "a", "effect": "NoSchedule"}]}, "status": {"capacity": {"cpu": "4"}}},
    ("apps", "deployments"): {"spec": {"selector": _SELECTOR, "template": _TEMPLATE, "strategy": {
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}}}},
    ("apps", "statefulsets"): {"spec": {
        "selector": _SELECTOR, "template": _TEMPLATE, "serviceName": "s",
        "volumeClaimTemplates": [{"metadata": {"name": "v"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]}},
    ("apps", "daemonsets"): {"spec": {"selector": _SELECTOR, "template": _TEMPLATE}},
    ("apps", "replicasets"): {"spec": {"selector": _SELECTOR, "template": _TEMPLATE}},
    ("batch", "jobs"): {"spec": {**_JOB, "completions": 3, "completionMode": "Indexed",
        "podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {
            "operator": "In", "values": [1, 2]}}]}}},
    ("batch", "cronjobs"): {"spec": {"schedule": "*/5 * * * *", "timeZone": "Europe/Vienna",
                                     "jobTemplate": {"spec": _JOB}}},
    ("networking.k8s.io", "ingresses"): {"spec": {"rules": [{"host": "a.b", "http": {"paths": [
        {"path": "/", "pathType": "Prefix",
         "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}]}},
    ("networking.k8s.io", "networkpolicies"): {"spec": {"podSelector": _SELECTOR, "ingress": [
        {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}],
         "ports": [{"port": 80, "endPort": 90}]}]}},
    ("rbac.authorization.k8s.io", "roles"): {"rules": [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    ("policy", "poddisruptionbudgets"): {"spec": {"selector": _SELECTOR, "minAvailable": "50%"}},
    ("autoscaling", "horizontalpodautoscalers"): {"spec": {
        "scaleTargetRef": {"kind": "Deployment", "name": "a", "apiVersion": "apps/v1"},
        "maxReplicas": 5, "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {
            "type": "Utilization", "averageUtilization": 50}}}],
        "behavior": {"scaleUp": {"policies": [
            {"type": "Pods", "value": 1, "periodSeconds": 5}]}}}},
    ("storage.k8s.io", "storageclasses"): {"provisioner": "a.b/c", "parameters": {"x": "y"}},
    ("discovery.k8s.io", "endpointslices"): {"addressType": "IPv4", "endpoints": [
        {"addresses": ["10.0.0.1"]}], "ports": [{"port": 80, "name": "h"}]},
    ("coordination.k8s.io", "leases"): {"spec": {
        "holderIdentity": "x", "leaseDurationSeconds": 5,
        "renewTime": "2025-01-01T00:00:00.000000Z"}},
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"): {"spec": {
        "matchConstraints": {"resourceRules": [_RULE]}, "variables": [
            {"name": "v", "expression": "object.spec.replicas"}],
        "validations": [{"expression": "variables.v < 50 && object.metadata.name.size() < 9",
                         "messageExpression": "'no ' + string(variables.v)"}]}},
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"): {"webhooks": [
        {"name": "a.b.c", "clientConfig": {"url": "https://nobody.example/x"}, "rules": [_RULE],
         "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Ignore"}]},
    ("apiextensions.k8s.io", "customresourcedefinitions"): {"spec": {
        "group": "a.example", "scope": "Cluster", "names": {"plural": "a", "kind": "A"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {
            "openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "properties": {"n": {
                    "type": "integer", "default": 1, "maximum": 5, "x-kubernetes-validations": [
                        {"rule": "self > 0", "message": "m"}]}}}}}}}]}},
    ("fuzz.example", "widgets"): {"spec": {"replicas": 1, "words": ["a"], "share": "5%",
                                           "list": [{"name": "a", "size": 1.5}]}},
}  # fmt: skip
