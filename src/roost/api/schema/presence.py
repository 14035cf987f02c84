"""Which fields a Kubernetes server writes although they are zero, and which although they are absent.

An optional field with a zero value ("", 0, false, an empty list or map) is not written by the real
server, because its Go type cannot tell zero from absent; where the type can (a pointer, or a field
that is always written), the zero stays. Schemas do not say which; this table does: a definition, then
its fields that keep a zero. Structures are not here: `{}` stays wherever a schema has fields.

Some fields are written even if nobody set them: in the older groups all scalars that are required,
and those of a second table.
"""

from __future__ import annotations

from roost.api.schema.node import Node
from roost.api.values import Value

_TABLE = """
admissionregistration.v1.MatchResources matchPolicy
admissionregistration.v1.MutatingAdmissionPolicySpec failurePolicy
admissionregistration.v1.MutatingWebhook failurePolicy matchPolicy reinvocationPolicy timeoutSeconds
admissionregistration.v1.NamedRuleWithOperations scope
admissionregistration.v1.ParamRef parameterNotFoundAction
admissionregistration.v1.RuleWithOperations scope
admissionregistration.v1.ServiceReference path port
admissionregistration.v1.ValidatingAdmissionPolicySpec failurePolicy
admissionregistration.v1.ValidatingWebhook failurePolicy matchPolicy timeoutSeconds
admissionregistration.v1.Validation reason
admissionregistration.v1.WebhookClientConfig url
apps.v1.DaemonSetSpec revisionHistoryLimit
apps.v1.DaemonSetStatus collisionCount
apps.v1.DeploymentSpec progressDeadlineSeconds replicas revisionHistoryLimit
apps.v1.DeploymentStatus collisionCount terminatingReplicas
apps.v1.ReplicaSetSpec replicas
apps.v1.ReplicaSetStatus terminatingReplicas
apps.v1.RollingUpdateStatefulSetStrategy partition
apps.v1.StatefulSetOrdinals start
apps.v1.StatefulSetSpec replicas revisionHistoryLimit
apps.v1.StatefulSetStatus availableReplicas collisionCount
authentication.v1.TokenRequestSpec expirationSeconds
autoscaling.v1.HorizontalPodAutoscalerSpec minReplicas targetCPUUtilizationPercentage
autoscaling.v1.HorizontalPodAutoscalerStatus currentCPUUtilizationPercentage observedGeneration
autoscaling.v2.HPAScalingRules selectPolicy stabilizationWindowSeconds
autoscaling.v2.HorizontalPodAutoscalerSpec minReplicas
autoscaling.v2.HorizontalPodAutoscalerStatus observedGeneration
autoscaling.v2.MetricTarget averageUtilization
autoscaling.v2.MetricValueStatus averageUtilization
batch.v1.CronJobSpec failedJobsHistoryLimit startingDeadlineSeconds successfulJobsHistoryLimit
batch.v1.CronJobSpec suspend timeZone
batch.v1.JobSpec activeDeadlineSeconds backoffLimit backoffLimitPerIndex completionMode completions
batch.v1.JobSpec managedBy manualSelector maxFailedIndexes parallelism podReplacementPolicy suspend
batch.v1.JobSpec ttlSecondsAfterFinished
batch.v1.JobStatus failedIndexes ready terminating
batch.v1.PodFailurePolicyOnExitCodesRequirement containerName
batch.v1.SuccessPolicyRule succeededCount succeededIndexes
certificates.v1.CertificateSigningRequestSpec expirationSeconds
coordination.v1.LeaseSpec holderIdentity leaseDurationSeconds leaseTransitions preferredHolder
coordination.v1.LeaseSpec strategy
core.v1.AppArmorProfile localhostProfile
core.v1.AzureDiskVolumeSource cachingMode fsType readOnly
core.v1.AzureFilePersistentVolumeSource secretNamespace
core.v1.CSIVolumeSource fsType readOnly
core.v1.ClientIPConfig timeoutSeconds
core.v1.ClusterTrustBundleProjection name optional signerName
core.v1.ConfigMap immutable
core.v1.ConfigMapEnvSource optional
core.v1.ConfigMapKeySelector optional
core.v1.ConfigMapProjection optional
core.v1.ConfigMapVolumeSource defaultMode optional
core.v1.Container restartPolicy
core.v1.ContainerStatus started stopSignal
core.v1.DownwardAPIVolumeFile mode
core.v1.DownwardAPIVolumeSource defaultMode
core.v1.EndpointAddress nodeName
core.v1.EndpointPort appProtocol
core.v1.EphemeralContainer restartPolicy
core.v1.Event reportingComponent reportingInstance
core.v1.FCVolumeSource lun
core.v1.FileKeySelector optional
core.v1.GRPCAction service
core.v1.GlusterfsPersistentVolumeSource endpointsNamespace
core.v1.HostPathVolumeSource type
core.v1.KeyToPath mode
core.v1.Lifecycle stopSignal
core.v1.LoadBalancerIngress ipMode
core.v1.LocalVolumeSource fsType
core.v1.NodeFeatures supplementalGroupsPolicy
core.v1.NodeRuntimeHandlerFeatures recursiveReadOnlyMounts userNamespaces
core.v1.NodeSwapStatus capacity
core.v1.PersistentVolumeClaimSpec storageClassName volumeAttributesClassName volumeMode
core.v1.PersistentVolumeClaimStatus currentVolumeAttributesClassName
core.v1.PersistentVolumeSpec volumeAttributesClassName volumeMode
core.v1.PodCertificateProjection maxExpirationSeconds
core.v1.PodDNSConfigOption value
core.v1.PodResourceClaim resourceClaimName resourceClaimTemplateName
core.v1.PodResourceClaimStatus resourceClaimName
core.v1.PodSchedulingGroup podGroupName
core.v1.PodSecurityContext fsGroup fsGroupChangePolicy runAsGroup runAsNonRoot runAsUser
core.v1.PodSecurityContext seLinuxChangePolicy supplementalGroupsPolicy
core.v1.PodSpec activeDeadlineSeconds automountServiceAccountToken enableServiceLinks hostUsers
core.v1.PodSpec hostnameOverride preemptionPolicy priority runtimeClassName setHostnameAsFQDN
core.v1.PodSpec shareProcessNamespace terminationGracePeriodSeconds
core.v1.PortStatus error
core.v1.Probe terminationGracePeriodSeconds
core.v1.ProjectedVolumeSource defaultMode
core.v1.ReplicationControllerSpec replicas
core.v1.SeccompProfile localhostProfile
core.v1.Secret immutable
core.v1.SecretEnvSource optional
core.v1.SecretKeySelector optional
core.v1.SecretProjection optional
core.v1.SecretVolumeSource defaultMode optional
core.v1.SecurityContext allowPrivilegeEscalation privileged procMount readOnlyRootFilesystem
core.v1.SecurityContext runAsGroup runAsNonRoot runAsUser
core.v1.ServiceAccount automountServiceAccountToken
core.v1.ServiceAccountTokenProjection expirationSeconds
core.v1.ServicePort appProtocol
core.v1.ServiceSpec allocateLoadBalancerNodePorts internalTrafficPolicy ipFamilyPolicy
core.v1.ServiceSpec loadBalancerClass trafficDistribution
core.v1.Toleration tolerationSeconds
core.v1.TopologySpreadConstraint minDomains nodeAffinityPolicy nodeTaintsPolicy
core.v1.TypedLocalObjectReference apiGroup
core.v1.TypedObjectReference apiGroup namespace
core.v1.VolumeMount mountPropagation recursiveReadOnly
core.v1.VolumeMountStatus recursiveReadOnly
core.v1.WindowsSecurityContextOptions gmsaCredentialSpec gmsaCredentialSpecName hostProcess
core.v1.WindowsSecurityContextOptions runAsUserName
discovery.v1.Endpoint hostname nodeName zone
discovery.v1.EndpointConditions ready serving terminating
discovery.v1.EndpointPort appProtocol name port protocol
discovery.v1.EndpointSlice endpoints ports
flowcontrol.v1.ExemptPriorityLevelConfiguration lendablePercent nominalConcurrencyShares
flowcontrol.v1.FlowSchemaSpec matchingPrecedence
flowcontrol.v1.LimitedPriorityLevelConfiguration borrowingLimitPercent lendablePercent
flowcontrol.v1.LimitedPriorityLevelConfiguration nominalConcurrencyShares
flowcontrol.v1.QueuingConfiguration handSize queueLengthLimit queues
networking.v1.IngressClassParametersReference apiGroup namespace scope
networking.v1.IngressPortStatus error
networking.v1.IngressSpec ingressClassName
networking.v1.NetworkPolicyPort endPort protocol
policy.v1.PodDisruptionBudgetSpec unhealthyPodEvictionPolicy
policy.v1.PodDisruptionBudgetStatus currentHealthy desiredHealthy disruptionsAllowed expectedPods
rbac.v1.ClusterRole rules
rbac.v1.Role rules
rbac.v1.RoleRef apiGroup
resource.v1.AllocatedDeviceStatus shareID
resource.v1.Device allNodes allowMultipleAllocations bindsToNode nodeName
resource.v1.DeviceAttribute bool int string version
resource.v1.DeviceClassSpec extendedResourceName
resource.v1.DeviceConstraint distinctAttribute matchAttribute
resource.v1.DeviceRequestAllocationResult adminAccess shareID
resource.v1.DeviceToleration tolerationSeconds
resource.v1.ExactDeviceRequest adminAccess
resource.v1.ResourceSliceSpec allNodes nodeName perDeviceNodeSelection
scheduling.v1.PriorityClass preemptionPolicy value
storage.v1.CSIDriverSpec attachRequired fsGroupPolicy nodeAllocatableUpdatePeriodSeconds
storage.v1.CSIDriverSpec podInfoOnMount preventPodSchedulingIfMissing requiresRepublish seLinuxMount
storage.v1.CSIDriverSpec serviceAccountTokenInSecrets storageCapacity
storage.v1.StorageClass allowVolumeExpansion reclaimPolicy volumeBindingMode
storage.v1.TokenRequest expirationSeconds
storage.v1.VolumeAttachmentSource persistentVolumeName
storage.v1.VolumeError errorCode
storage.v1.VolumeNodeResources count
apiextensions.v1.CustomResourceDefinitionStatus conditions storedVersions
apiextensions.v1.CustomResourceDefinitionVersion deprecationWarning
apiextensions.v1.CustomResourceSubresourceScale labelSelectorPath
apiextensions.v1.JSONSchemaProps $ref maxItems maxLength maxProperties minItems minLength
apiextensions.v1.JSONSchemaProps maximum minProperties minimum multipleOf x-kubernetes-list-type
apiextensions.v1.JSONSchemaProps x-kubernetes-map-type x-kubernetes-preserve-unknown-fields
apiextensions.v1.ServiceReference path port
apiextensions.v1.ValidationRule optionalOldSelf reason
apiextensions.v1.WebhookClientConfig url
apiregistration.v1.ServiceReference port
meta.v1.DeleteOptions gracePeriodSeconds ignoreStoreReadErrorWithClusterBreakingPotential
meta.v1.DeleteOptions orphanDependents propagationPolicy
meta.v1.ObjectMeta deletionGracePeriodSeconds
meta.v1.OwnerReference blockOwnerDeletion controller
meta.v1.Preconditions resourceVersion uid
"""

#: Fields that are written although nobody set them: times, lists and pointers as null, structures as
#: what is always written of them, scalars as zero.
_UNSET = """
apiextensions.v1.CustomResourceDefinitionCondition lastTransitionTime
apiregistration.v1.APIServiceCondition lastTransitionTime
apps.v1.DaemonSetCondition lastTransitionTime
apps.v1.DeploymentCondition lastTransitionTime lastUpdateTime
apps.v1.ReplicaSetCondition lastTransitionTime
apps.v1.StatefulSetCondition lastTransitionTime
autoscaling.v2.ContainerResourceMetricSource target
autoscaling.v2.ContainerResourceMetricStatus current
autoscaling.v2.ExternalMetricSource metric target
autoscaling.v2.ExternalMetricStatus current metric
autoscaling.v2.HorizontalPodAutoscalerCondition lastTransitionTime
autoscaling.v2.ObjectMetricSource describedObject metric target
autoscaling.v2.ObjectMetricStatus current describedObject metric
autoscaling.v2.PodsMetricSource metric target
autoscaling.v2.PodsMetricStatus current metric
autoscaling.v2.ResourceMetricSource target
autoscaling.v2.ResourceMetricStatus current
batch.v1.JobCondition lastProbeTime lastTransitionTime
batch.v1.PodFailurePolicy rules
core.v1.AzureFilePersistentVolumeSource secretNamespace
core.v1.ContainerImage names
core.v1.ContainerStateRunning startedAt
core.v1.ContainerStateTerminated finishedAt startedAt
core.v1.EventSeries lastObservedTime
core.v1.LimitRangeSpec limits
core.v1.NamespaceCondition lastTransitionTime
core.v1.NodeCondition lastHeartbeatTime lastTransitionTime
core.v1.NodeRuntimeHandler name
core.v1.PersistentVolumeClaimCondition lastProbeTime lastTransitionTime
core.v1.PodCondition lastProbeTime lastTransitionTime
core.v1.PodExtendedResourceClaimStatus requestMappings
core.v1.PreferredSchedulingTerm preference
core.v1.ProjectedVolumeSource sources
core.v1.ReplicationControllerCondition lastTransitionTime
core.v1.ScaleIOPersistentVolumeSource secretRef
core.v1.ScaleIOVolumeSource secretRef
core.v1.WeightedPodAffinityTerm podAffinityTerm
flowcontrol.v1.FlowSchemaCondition lastTransitionTime
flowcontrol.v1.PriorityLevelConfigurationCondition lastTransitionTime
meta.v1.Condition lastTransitionTime message reason status type
storage.v1.VolumeError time
"""
#: Groups whose required scalars are all written: none of them is a pointer.
_PLAIN_GROUPS = frozenset(("apps", "autoscaling", "batch", "core", "policy"))
#: Written as null: pointers.
_POINTERS = frozenset(("secretNamespace", "secretRef"))
_SCALARS = {"string": "", "integer": 0, "boolean": False}


def _read(table: str) -> dict[str, frozenset[str]]:
    kept: dict[str, frozenset[str]] = {}
    for line in table.strip().splitlines():
        definition, *fields = line.split()
        kept[definition] = kept.get(definition, frozenset()) | frozenset(fields)
    return kept


_KEPT = _read(_TABLE)
_WRITTEN = _read(_UNSET)


def _short(definition: str) -> str:
    return ".".join(definition.rsplit(".", 3)[1:])


def kept_fields(definition: str) -> frozenset[str]:
    """Return the optional fields of a definition (by its full name) whose zero value is written."""
    return _KEPT.get(_short(definition), frozenset())


def unset_fields(node: Node) -> dict[str, Value]:
    """Return what fields of a definition are written as where they are absent; not to be changed."""
    short = _short(node.name)
    written = _WRITTEN.get(short, frozenset())
    found: dict[str, Value] = {name: _unset(node.fields[name].resolve(), name) for name in written}
    if short.partition(".")[0] in _PLAIN_GROUPS:
        for name in node.required:
            field = node.fields[name].resolve()
            if field.type in _SCALARS and not (field.time or field.quantity or field.int_or_string):
                found[name] = _SCALARS[field.type]
    return found


def _unset(field: Node, name: str) -> Value:
    if field.time or field.type == "array" or name in _POINTERS:
        return None
    return _SCALARS[field.type] if field.type in _SCALARS else unset_fields(field)
