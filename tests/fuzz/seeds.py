"""Objects that are good as they are: what a fuzzer disturbs in one place at a time."""

from __future__ import annotations

import base64
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from roost.api.kind import Kind
from roost.api.values import copy_of

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


def _request() -> str:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "u")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, None)
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


#: (group, plural) -> a good object, without apiVersion, kind and name.
_SEEDS: dict[tuple[str, str], dict[str, Any]] = {
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
    ("", "namespaces"): {"spec": {"finalizers": ["kubernetes"]}},
    ("", "serviceaccounts"): {"automountServiceAccountToken": False,
                              "imagePullSecrets": [{"name": "a"}]},
    ("", "replicationcontrollers"): {"spec": {"selector": {"a": "b"}, "template": _TEMPLATE}},
    ("", "podtemplates"): {"template": _TEMPLATE},
    ("", "endpoints"): {"subsets": [{"addresses": [{"ip": "10.0.0.1", "nodeName": "a"}],
                                     "ports": [{"port": 80, "name": "h"}]}]},
    ("", "events"): {"involvedObject": {"kind": "Pod", "name": "a", "namespace": "default"},
                     "reason": "R", "message": "m", "type": "Normal", "count": 1,
                     "firstTimestamp": "2025-01-01T00:00:00Z"},
    ("events.k8s.io", "events"): {
        "regarding": {"kind": "Pod", "name": "a", "namespace": "default"}, "reason": "R",
        "note": "m", "type": "Normal", "action": "A", "reportingController": "c.d/e",
        "reportingInstance": "i", "eventTime": "2025-01-01T00:00:00.000000Z"},
    ("apps", "controllerrevisions"): {"data": {"spec": {"x": 1}}, "revision": 1},
    ("networking.k8s.io", "ingressclasses"): {"spec": {"controller": "a.b/c", "parameters": {
        "kind": "P", "name": "p", "apiGroup": "g.h", "scope": "Cluster"}}},
    ("networking.k8s.io", "ipaddresses"): {"spec": {"parentRef": {
        "resource": "services", "name": "a", "namespace": "default"}}},
    ("networking.k8s.io", "servicecidrs"): {"spec": {"cidrs": ["10.200.0.0/16"]}},
    ("rbac.authorization.k8s.io", "clusterroles"): {
        "rules": [{"apiGroups": ["apps"], "resources": ["*"], "verbs": ["*"]},
                  {"nonResourceURLs": ["/x/*"], "verbs": ["get"]}]},
    ("rbac.authorization.k8s.io", "rolebindings"): {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"},
        "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "default"}]},
    ("rbac.authorization.k8s.io", "clusterrolebindings"): {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "a"},
        "subjects": [{"kind": "User", "name": "u", "apiGroup": "rbac.authorization.k8s.io"}]},
    ("storage.k8s.io", "csidrivers"): {"spec": {
        "attachRequired": False, "fsGroupPolicy": "File", "tokenRequests": [{"audience": "a"}]}},
    ("storage.k8s.io", "csinodes"): {"spec": {"drivers": [
        {"name": "a.b", "nodeID": "n", "topologyKeys": ["k"], "allocatable": {"count": 2}}]}},
    ("storage.k8s.io", "csistoragecapacities"): {"storageClassName": "a", "capacity": "1Gi",
                                                 "nodeTopology": _SELECTOR},
    ("storage.k8s.io", "volumeattachments"): {"spec": {
        "attacher": "a.b", "nodeName": "n", "source": {"persistentVolumeName": "p"}}},
    ("storage.k8s.io", "volumeattributesclasses"): {
        "driverName": "a.b", "parameters": {"x": "y"}},
    ("scheduling.k8s.io", "priorityclasses"): {"value": 5, "preemptionPolicy": "Never"},
    ("node.k8s.io", "runtimeclasses"): {"handler": "h", "overhead": {"podFixed": {"cpu": "1m"}},
                                        "scheduling": {"nodeSelector": {"a": "b"}}},
    ("resource.k8s.io", "deviceclasses"): {"spec": {"selectors": [
        {"cel": {"expression": "device.driver == 'a.b'"}}]}},
    ("resource.k8s.io", "resourceclaims"): {"spec": {"devices": {
        "requests": [{"name": "r", "exactly": {"deviceClassName": "a", "selectors": [
            {"cel": {"expression": "device.attributes['a.b'].size > 1"}}]}}],
        "constraints": [{"requests": ["r"], "matchAttribute": "a.b/c"}]}}},
    ("resource.k8s.io", "resourceclaimtemplates"): {"spec": {"spec": {"devices": {
        "requests": [{"name": "r", "exactly": {"deviceClassName": "a"}}]}}}},
    ("resource.k8s.io", "resourceslices"): {"spec": {
        "driver": "a.b", "nodeName": "n",
        "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1},
        "devices": [{"name": "d", "attributes": {"size": {"int": 5}},
                     "capacity": {"mem": {"value": "1Gi"}}}]}},
    ("flowcontrol.apiserver.k8s.io", "flowschemas"): {"spec": {
        "matchingPrecedence": 9000, "priorityLevelConfiguration": {"name": "a"},
        "distinguisherMethod": {"type": "ByUser"}, "rules": [{
            "subjects": [{"kind": "User", "user": {"name": "u"}}],
            "resourceRules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"],
                               "namespaces": ["x"]}]}]}},
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"): {"spec": {
        "type": "Limited", "limited": {"nominalConcurrencyShares": 5, "limitResponse": {
            "type": "Queue", "queuing": {"queues": 8, "handSize": 2, "queueLengthLimit": 5}}}}},
    ("apiregistration.k8s.io", "apiservices"): {"spec": {
        "group": "fuzzed.example", "version": "v1", "groupPriorityMinimum": 100,
        "versionPriority": 10, "insecureSkipTLSVerify": True,
        "service": {"name": "a", "namespace": "default", "port": 443}}},
    ("certificates.k8s.io", "certificatesigningrequests"): {"spec": {
        "request": _request(), "signerName": "a.b/c", "usages": ["digital signature", "client auth"],
        "expirationSeconds": 600}},
    ("authentication.k8s.io", "tokenreviews"): {"spec": {"token": "t", "audiences": ["a"]}},
    ("authentication.k8s.io", "selfsubjectreviews"): {},
    ("authorization.k8s.io", "subjectaccessreviews"): {"spec": {
        "user": "u", "groups": ["g"], "extra": {"e": ["x"]}, "resourceAttributes": {
            "verb": "get", "resource": "pods", "namespace": "default", "fieldSelector": {
                "requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["n"]}]}}}},
    ("authorization.k8s.io", "localsubjectaccessreviews"): {"spec": {
        "user": "u", "resourceAttributes": {"verb": "get", "resource": "pods",
                                            "namespace": "default"}}},
    ("authorization.k8s.io", "selfsubjectaccessreviews"): {"spec": {
        "nonResourceAttributes": {"path": "/healthz", "verb": "get"}}},
    ("authorization.k8s.io", "selfsubjectrulesreviews"): {"spec": {"namespace": "default"}},
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"): {"spec": {
        "policyName": "a", "validationActions": ["Deny"], "matchResources": {
            "namespaceSelector": _SELECTOR}}},
    ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"): {"spec": {
        "policyName": "a", "paramRef": {"name": "p", "parameterNotFoundAction": "Allow"}}},
    ("admissionregistration.k8s.io", "mutatingadmissionpolicies"): {"spec": {
        "matchConstraints": {"resourceRules": [_RULE]}, "reinvocationPolicy": "Never",
        "failurePolicy": "Ignore", "mutations": [
            {"patchType": "ApplyConfiguration", "applyConfiguration": {
                "expression": "Object{metadata: Object.metadata{labels: {'x': 'y'}}}"}},
            {"patchType": "JSONPatch", "jsonPatch": {
                "expression": "[JSONPatch{op: 'add', path: '/metadata/labels/z', value: 'w'}]"}}]}},
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"): {"webhooks": [
        {"name": "a.b.c", "clientConfig": {"service": {"name": "a", "namespace": "default"}},
         "rules": [_RULE], "sideEffects": "None", "admissionReviewVersions": ["v1"],
         "failurePolicy": "Ignore", "timeoutSeconds": 1, "matchConditions": [
             {"name": "c", "expression": "object.metadata.name != 'x'"}]}]},
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"): {"spec": {
        "matchConstraints": {"resourceRules": [_RULE]}, "variables": [
            {"name": "v", "expression": "object.spec.replicas"}],
        "validations": [{"expression": "variables.v < 50 && object.metadata.name.size() < 9",
                         "messageExpression": "'no ' + string(variables.v)"}]}},
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"): {"webhooks": [
        {"name": "a.b.c", "clientConfig": {"url": "https://nobody.example/x"}, "rules": [_RULE],
         "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Ignore"}]},
    ("apiextensions.k8s.io", "customresourcedefinitions"): {"spec": {
        "group": "a.example", "scope": "Cluster",
        "names": {"plural": "as", "singular": "a", "kind": "A", "shortNames": ["x"]},
        "versions": [{
            "name": "v1", "served": True, "storage": True,
            "subresources": {"status": {}, "scale": {
                "specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"}},
            "additionalPrinterColumns": [
                {"name": "N", "type": "integer", "jsonPath": ".spec.n"},
                {"name": "F", "type": "string", "jsonPath": ".spec.list[?(@.k=='a')].v"}],
            "selectableFields": [{"jsonPath": ".spec.s"}],
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "spec": {"type": "object", "default": {"n": 2}, "x-kubernetes-validations": [
                    {"rule": "!has(self.s) || self.s.matches('^[a-z]+$')", "message": "m",
                     "fieldPath": ".s", "reason": "FieldValueInvalid"},
                    {"rule": "self.n >= oldSelf.n", "messageExpression": "string(self.n)"}],
                    "properties": {
                        "n": {"type": "integer", "default": 1, "maximum": 5, "minimum": 0,
                              "x-kubernetes-validations": [{"rule": "self > 0"}]},
                        "s": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 9,
                              "enum": ["a", "b"], "format": "hostname"},
                        "list": {"type": "array", "maxItems": 5, "x-kubernetes-list-type": "map",
                                 "x-kubernetes-list-map-keys": ["k"], "items": {
                                     "type": "object", "required": ["k"], "properties": {
                                         "k": {"type": "string"},
                                         "v": {"x-kubernetes-int-or-string": True}}}},
                        "map": {"type": "object", "additionalProperties": {"type": "number"}},
                        "raw": {"type": "object", "x-kubernetes-embedded-resource": True,
                                "x-kubernetes-preserve-unknown-fields": True},
                        "alt": {"type": "object", "oneOf": [{"required": ["x"]},
                                                            {"required": ["y"]}],
                                "properties": {"x": {"type": "string"},
                                               "y": {"type": "string"}}}}}}}}}]}},
    ("fuzz.example", "widgets"): {"spec": {"replicas": 1, "words": ["a"], "share": "5%",
                                           "list": [{"name": "a", "size": 1.5}]}},
}  # fmt: skip
_SCALER_V1 = {"spec": {"maxReplicas": 5, "targetCPUUtilizationPercentage": 50, "scaleTargetRef": {
    "kind": "Deployment", "name": "a", "apiVersion": "apps/v1"}}}  # fmt: skip

#: The name of the object of a kind whose names follow a rule; all others are called "a".
_NAMES = {
    "customresourcedefinitions": "as.a.example",
    "apiservices": "v1.fuzzed.example",
    "ipaddresses": "10.201.0.1",
}


def seed_of(kind: Kind) -> dict[str, Any] | None:
    """Return a private good object of a kind that can be created."""
    if (kind.group, kind.version, kind.plural) == ("autoscaling", "v1", "horizontalpodautoscalers"):
        return copy_of(_SCALER_V1)
    found = _SEEDS.get((kind.group, kind.plural))
    return None if found is None else copy_of(found)


def name_of(kind: Kind) -> str:
    """Return the name of the object of a kind that is always there."""
    return _NAMES.get(kind.plural, "a")
