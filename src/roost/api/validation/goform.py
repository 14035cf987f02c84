"""How the real server shows whole structures in messages: its internal types as JSON.

There, every field is written under its Go name, in the order of the type, and unset ones as null, "",
0 or false. A `Shape` lists the fields of such a type; only types that messages show are here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from roost.api.validation.causes import Structure
from roost.api.values import Object


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields of an internal type: (Go name, JSON name, what an unset one is shown as, shape)."""

    fields: tuple[tuple[str, str, Any, Shape | None], ...]

    def show(self, value: Object) -> Structure:
        """Return the value as it is shown."""
        shown = Structure()
        for name, key, unset, inner in self.fields:
            found = value.get(key)
            if unset is _OMITTED and not found:
                continue
            if found is None or (unset is None and found == [] and not isinstance(found, dict)):
                shown[name] = inner.show({}) if unset is _EMPTY and inner else unset
            elif inner is None:
                shown[name] = found
            elif isinstance(found, list):
                shown[name] = [inner.show(item) for item in found]
            else:
                shown[name] = inner.show(found)
        return shown


#: A structure that is never null.
_EMPTY = object()
#: What is not shown where it is not set: types of API machinery are shown as on the wire.
_OMITTED = object()


def shape(*fields: str | tuple[str, Any] | tuple[str, Any, Shape]) -> Shape:
    """Make a shape of `GoName` or `GoName=jsonName`, alone or with what unset is and its shape."""
    rows: list[tuple[str, str, Any, Shape | None]] = []
    for entry in fields:
        row = (entry,) if isinstance(entry, str) else entry
        name, _, key = row[0].partition("=")
        unset = row[1] if len(row) > 1 else None
        inner = row[2] if len(row) > 2 else None
        rows.append((name, key or name[:1].lower() + name[1:], unset, inner))
    return Shape(tuple(rows))


def of(inner: Shape) -> tuple[None, Shape]:
    """A pointer to, or list of, a structure."""
    return (None, inner)


def structure(inner: Shape) -> tuple[object, Shape]:
    """A structure that is there even when nothing in it is set."""
    return (_EMPTY, inner)


_PAIR = shape(("Name", ""), ("Value", ""))
_OPTIONS = shape("User", "Role", "Type", "Level")
PROFILE = shape(("Type", ""), "LocalhostProfile")
_WINDOWS = shape(
    "GMSACredentialSpecName=gmsaCredentialSpecName",
    "GMSACredentialSpec=gmsaCredentialSpec",
    "RunAsUserName",
    "HostProcess",
)
_CAPABILITIES = shape("Add", "Drop")
SECURITY_CONTEXT = shape(
    ("Capabilities", *of(_CAPABILITIES)), "Privileged", ("SELinuxOptions=seLinuxOptions", *of(_OPTIONS)),
    ("WindowsOptions", *of(_WINDOWS)), "RunAsUser", "RunAsGroup", "RunAsNonRoot",
    "ReadOnlyRootFilesystem", "AllowPrivilegeEscalation", "ProcMount",
    ("SeccompProfile", *of(PROFILE)), ("AppArmorProfile", *of(PROFILE)),
)  # fmt: skip
_POD_SECURITY_CONTEXT = shape(
    ("HostNetwork", False), ("HostPID", False), ("HostIPC", False), "ShareProcessNamespace",
    "HostUsers", ("SELinuxOptions=seLinuxOptions", *of(_OPTIONS)), ("WindowsOptions", *of(_WINDOWS)),
    "RunAsUser", "RunAsGroup", "RunAsNonRoot", "SupplementalGroups", "SupplementalGroupsPolicy",
    "FSGroup=fsGroup", "FSGroupChangePolicy=fsGroupChangePolicy", ("Sysctls", *of(_PAIR)),
    ("SeccompProfile", *of(PROFILE)), ("AppArmorProfile", *of(PROFILE)),
    "SELinuxChangePolicy=seLinuxChangePolicy",
)  # fmt: skip
_EXEC = shape("Command")
_HTTP_GET = shape(
    ("Path", ""), ("Port", 0), ("Host", ""), ("Scheme", ""), ("HTTPHeaders=httpHeaders", *of(_PAIR)),
)  # fmt: skip
_TCP = shape(("Port", 0), ("Host", ""))
_PROBE = shape(
    ("Exec", *of(_EXEC)), ("HTTPGet=httpGet", *of(_HTTP_GET)), ("TCPSocket=tcpSocket", *of(_TCP)),
    ("GRPC=grpc", *of(shape(("Port", 0), "Service"))), ("InitialDelaySeconds", 0), ("TimeoutSeconds", 0),
    ("PeriodSeconds", 0), ("SuccessThreshold", 0), ("FailureThreshold", 0),
    "TerminationGracePeriodSeconds",
)  # fmt: skip
_HANDLER = shape(
    ("Exec", *of(_EXEC)), ("HTTPGet=httpGet", *of(_HTTP_GET)), ("TCPSocket=tcpSocket", *of(_TCP)),
    ("Sleep", *of(shape(("Seconds", 0)))),
)  # fmt: skip
_LIFECYCLE = shape(("PostStart", *of(_HANDLER)), ("PreStop", *of(_HANDLER)), "StopSignal")
_RESOURCES = shape("Limits", "Requests", ("Claims", *of(shape(("Name", ""), ("Request", "")))))
_NAME = shape(("Name", ""))
_KEY = shape(("Name", ""), ("Key", ""), "Optional")
_FIELD = shape(("APIVersion=apiVersion", ""), ("FieldPath", ""))
_AMOUNT = shape(("ContainerName", ""), ("Resource", ""), ("Divisor", "0"))
_ENV = shape(
    ("Name", ""), ("Value", ""),
    ("ValueFrom", *of(shape(
        ("FieldRef", *of(_FIELD)),
        ("ResourceFieldRef", *of(_AMOUNT)),
        ("ConfigMapKeyRef", *of(_KEY)), ("SecretKeyRef", *of(_KEY)),
        ("FileKeyRef", *of(shape(("VolumeName", ""), ("Path", ""), ("Key", ""), "Optional"))),
    ))),
)  # fmt: skip
_ENV_FROM = shape(
    ("Prefix", ""), ("ConfigMapRef", *of(shape(("Name", ""), "Optional"))),
    ("SecretRef", *of(shape(("Name", ""), "Optional"))),
)  # fmt: skip
_PORT = shape(("Name", ""), ("HostPort", 0), ("ContainerPort", 0), ("Protocol", ""), ("HostIP", ""))
_MOUNT = shape(
    ("Name", ""), ("ReadOnly", False), "RecursiveReadOnly", ("MountPath", ""), ("SubPath", ""),
    "MountPropagation", ("SubPathExpr", ""),
)  # fmt: skip
_RESTART_RULE = shape(
    ("Action", ""), ("ExitCodes", *of(shape(("Operator", ""), "Values")))
)  # fmt: skip
_CONTAINER = shape(
    ("Name", ""), ("Image", ""), "Command", "Args", ("WorkingDir", ""), ("Ports", *of(_PORT)),
    ("EnvFrom", *of(_ENV_FROM)), ("Env", *of(_ENV)), ("Resources", _EMPTY, _RESOURCES),
    ("ResizePolicy", *of(shape(("ResourceName", ""), ("RestartPolicy", "")))), "RestartPolicy",
    ("RestartPolicyRules", *of(_RESTART_RULE)), ("VolumeMounts", *of(_MOUNT)),
    ("VolumeDevices", *of(shape(("Name", ""), ("DevicePath", "")))), ("LivenessProbe", *of(_PROBE)),
    ("ReadinessProbe", *of(_PROBE)), ("StartupProbe", *of(_PROBE)), ("Lifecycle", *of(_LIFECYCLE)),
    ("TerminationMessagePath", ""), ("TerminationMessagePolicy", ""), ("ImagePullPolicy", ""),
    ("SecurityContext", *of(SECURITY_CONTEXT)), ("Stdin", False), ("StdinOnce", False),
    ("TTY=tty", False),
)  # fmt: skip
_ITEM = shape(("Key", ""), ("Path", ""), "Mode")
_DOWNWARD = shape(
    ("Path", ""), ("FieldRef", *of(_FIELD)), ("ResourceFieldRef", *of(_AMOUNT)), "Mode"
)
_PROJECTED = shape(("Name", ""), ("Items", *of(_ITEM)), "Optional")
_PROJECTION = shape(
    ("Secret", *of(_PROJECTED)), ("DownwardAPI", *of(shape(("Items", *of(_DOWNWARD))))),
    ("ConfigMap", *of(_PROJECTED)),
    ("ServiceAccountToken", *of(shape(("Audience", ""), ("ExpirationSeconds", 0), ("Path", "")))),
    "ClusterTrustBundle", "PodCertificate",
)  # fmt: skip
_VOLUME = shape(
    ("Name", ""), ("HostPath", *of(shape(("Path", ""), "Type"))),
    ("EmptyDir", *of(shape(("Medium", ""), "SizeLimit"))), "GCEPersistentDisk=gcePersistentDisk",
    "AWSElasticBlockStore=awsElasticBlockStore", "GitRepo",
    ("Secret", *of(shape(("SecretName", ""), ("Items", *of(_ITEM)), "DefaultMode", "Optional"))),
    ("NFS=nfs", *of(shape(("Server", ""), ("Path", ""), ("ReadOnly", False)))), "ISCSI=iscsi",
    "Glusterfs",
    ("PersistentVolumeClaim", *of(shape(("ClaimName", ""), ("ReadOnly", False)))), "RBD=rbd",
    "Quobyte", "FlexVolume", "Cinder", "CephFS=cephfs", "Flocker",
    ("DownwardAPI", *of(shape(("Items", *of(_DOWNWARD)), "DefaultMode"))), "FC=fc", "AzureFile",
    ("ConfigMap", *of(shape(("Name", ""), ("Items", *of(_ITEM)), "DefaultMode", "Optional"))),
    "VsphereVolume", "AzureDisk", "PhotonPersistentDisk",
    ("Projected", *of(shape(("Sources", *of(_PROJECTION)), "DefaultMode"))), "PortworxVolume", "ScaleIO",
    "StorageOS=storageos",
    ("CSI=csi", *of(shape(
        ("Driver", ""), "ReadOnly", "FSType=fsType", "VolumeAttributes",
        ("NodePublishSecretRef", *of(_NAME)),
    ))),
    "Ephemeral", ("Image", *of(shape(("Reference", ""), ("PullPolicy", "")))),
)  # fmt: skip
_TOLERATION = shape(
    ("Key", ""), ("Operator", ""), ("Value", ""), ("Effect", ""), "TolerationSeconds"
)
_REQUIREMENT = shape(("Key", ""), ("Operator", ""), "Values")
NODE_TERM = shape(("MatchExpressions", *of(_REQUIREMENT)), ("MatchFields", *of(_REQUIREMENT)))
_NODE_SELECTOR = shape(("NodeSelectorTerms", *of(NODE_TERM)))
_SELECTOR = shape(
    ("matchLabels", _OMITTED),
    ("matchExpressions", _OMITTED, shape(("key", ""), ("operator", ""), ("values", _OMITTED))),
)
_POD_TERM = shape(
    ("LabelSelector", *of(_SELECTOR)), "Namespaces", ("TopologyKey", ""),
    ("NamespaceSelector", *of(_SELECTOR)), "MatchLabelKeys", "MismatchLabelKeys",
)  # fmt: skip
_REQUIRED = "RequiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "PreferredDuringSchedulingIgnoredDuringExecution"
_POD_AFFINITY = shape(
    (_REQUIRED, *of(_POD_TERM)),
    (_PREFERRED, *of(shape(("Weight", 0), ("PodAffinityTerm", _EMPTY, _POD_TERM)))),
)
_AFFINITY = shape(
    ("NodeAffinity", *of(shape(
        (_REQUIRED, *of(_NODE_SELECTOR)),
        (_PREFERRED, *of(shape(("Weight", 0), ("Preference", _EMPTY, NODE_TERM)))),
    ))),
    ("PodAffinity", *of(_POD_AFFINITY)), ("PodAntiAffinity", *of(_POD_AFFINITY)),
)  # fmt: skip
_SPREAD = shape(
    ("MaxSkew", 0), ("TopologyKey", ""), ("WhenUnsatisfiable", ""), ("LabelSelector", *of(_SELECTOR)),
    "MinDomains", "NodeAffinityPolicy", "NodeTaintsPolicy", "MatchLabelKeys",
)  # fmt: skip
RESOURCE_CLAIM = shape(("Name", ""), "ResourceClaimName", "ResourceClaimTemplateName")
_POD_SPEC = shape(
    ("Volumes", *of(_VOLUME)), ("InitContainers", *of(_CONTAINER)), ("Containers", *of(_CONTAINER)),
    ("EphemeralContainers", *of(_CONTAINER)), ("RestartPolicy", ""), "TerminationGracePeriodSeconds",
    "ActiveDeadlineSeconds", ("DNSPolicy=dnsPolicy", ""), "NodeSelector", ("ServiceAccountName", ""),
    "AutomountServiceAccountToken", ("NodeName", ""), ("SecurityContext", *of(_POD_SECURITY_CONTEXT)),
    ("ImagePullSecrets", *of(_NAME)), ("Hostname", ""), ("Subdomain", ""), "SetHostnameAsFQDN",
    ("Affinity", *of(_AFFINITY)), ("SchedulerName", ""), ("Tolerations", *of(_TOLERATION)),
    ("HostAliases", *of(shape(("IP=ip", ""), "Hostnames"))), ("PriorityClassName", ""), "Priority",
    "PreemptionPolicy",
    ("DNSConfig=dnsConfig", *of(
        shape("Nameservers", "Searches", ("Options", *of(shape(("Name", ""), "Value"))))
    )),
    ("ReadinessGates", *of(shape(("ConditionType", "")))), "RuntimeClassName", "Overhead",
    "EnableServiceLinks",
    ("TopologySpreadConstraints", *of(_SPREAD)), ("OS=os", *of(_NAME)), ("SchedulingGates", *of(_NAME)),
    ("ResourceClaims", *of(RESOURCE_CLAIM)), ("Resources", *of(_RESOURCES)), "HostnameOverride",
    "SchedulingGroup",
)  # fmt: skip

VOLUME_AFFINITY = shape(("Required", *of(_NODE_SELECTOR)))
SCOPE_SELECTOR = shape(
    ("MatchExpressions", *of(shape(("ScopeName", ""), ("Operator", ""), "Values")))
)
_EXIT_CODES = shape("ContainerName", ("Operator", ""), "Values")
FAILURE_POLICY = shape(
    ("Rules", *of(shape(
        ("Action", ""), ("OnExitCodes", *of(_EXIT_CODES)),
        ("OnPodConditions", *of(shape(("Type", ""), ("Status", "")))),
    ))),
)  # fmt: skip
UNCOUNTED_PODS = shape("Succeeded", "Failed")
SUCCESS_POLICY = shape(("Rules", *of(shape("SucceededIndexes", "SucceededCount"))))
DEPLOYMENT_STRATEGY = shape(
    ("Type", ""), ("RollingUpdate", *of(shape(("MaxUnavailable", 0), ("MaxSurge", 0))))
)
ROLLING_STATEFUL_SET = shape(("Partition", 0), "MaxUnavailable")
STATEFUL_SET_STRATEGY = shape(("Type", ""), ("RollingUpdate", *of(ROLLING_STATEFUL_SET)))
SERVICE_PORT = shape(
    ("Name", ""), ("Protocol", ""), ("AppProtocol"), ("Port", 0), ("TargetPort", 0), ("NodePort", 0)
)
OBJECT_REFERENCE = shape(
    ("Kind", ""), ("Namespace", ""), ("Name", ""), ("UID=uid", ""), ("APIVersion=apiVersion", ""),
    ("ResourceVersion", ""), ("FieldPath", ""),
)  # fmt: skip
NODE_ADDRESS = shape(("Type", ""), ("Address", ""))
EVENT_SOURCE = shape(("Component", ""), ("Host", ""))
TAINT = shape(("Key", ""), ("Value", ""), ("Effect", ""), "TimeAdded")
ROLE_REF = shape(("APIGroup=apiGroup", ""), ("Kind", ""), ("Name", ""))


#: In the order of the type. They stand beside `Spec`, under their JSON names and only if set.
_TEMPLATE_META = (
    "name", "generateName", "namespace", "uid", "resourceVersion", "generation",
    "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations",
    "ownerReferences", "finalizers", "managedFields",
)  # fmt: skip


def pod_template(template: Object) -> Structure:
    """Return a pod template as it is shown."""
    meta = template.get("metadata") or {}
    shown = Structure({key: meta[key] for key in _TEMPLATE_META if meta.get(key)})
    shown["Spec"] = pod_spec(template.get("spec") or {})
    return shown


def pod_spec(spec: Object) -> Structure:
    """Return a pod's spec as it is shown; the host's namespaces are in its security context there."""
    context = dict(spec.get("securityContext") or {})
    for key in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers"):
        if spec.get(key) is not None:
            context[key] = spec[key]
    return _POD_SPEC.show({**spec, "securityContext": context})
