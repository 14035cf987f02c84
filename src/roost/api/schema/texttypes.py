"""Go's names of the types of texts, where they are not just `string`.

A message about a value of the wrong type names the type that was wanted; schemas do not know it.
Each line of the table is a type and where it is, `Structure.field`; a line without a type goes on.
Of a list it is the type of an element. What is called the same in two groups is the same here.
"""

from __future__ import annotations

_TABLE = """
types.UID ObjectMeta.uid ObjectReference.uid OwnerReference.uid Preconditions.uid
types.UID UncountedTerminatedPods.failed UncountedTerminatedPods.succeeded
v1.APIServiceConditionType APIServiceCondition.type
v1.AddressType EndpointSlice.addressType
v1.AppArmorProfileType AppArmorProfile.type
v1.AzureDataDiskCachingMode AzureDiskVolumeSource.cachingMode
v1.AzureDataDiskKind AzureDiskVolumeSource.kind
v1.Capability Capabilities.add Capabilities.drop
v1.CompletionMode JobSpec.completionMode
v1.ConcurrencyPolicy CronJobSpec.concurrencyPolicy
v1.ConditionStatus APIServiceCondition.status CertificateSigningRequestCondition.status
v1.ConditionStatus ComponentCondition.status Condition.status
v1.ConditionStatus CustomResourceDefinitionCondition.status DaemonSetCondition.status
v1.ConditionStatus DeploymentCondition.status FlowSchemaCondition.status
v1.ConditionStatus HorizontalPodAutoscalerCondition.status JobCondition.status
v1.ConditionStatus NamespaceCondition.status NodeCondition.status
v1.ConditionStatus PersistentVolumeClaimCondition.status PodCondition.status
v1.ConditionStatus PodFailurePolicyOnPodConditionsPattern.status
v1.ConditionStatus PriorityLevelConfigurationCondition.status ReplicaSetCondition.status
v1.ConditionStatus ReplicationControllerCondition.status StatefulSetCondition.status
v1.ContainerRestartPolicy Container.restartPolicy EphemeralContainer.restartPolicy
v1.ContainerRestartRuleAction ContainerRestartRule.action
v1.ContainerRestartRuleOnExitCodesOperator ContainerRestartRuleOnExitCodes.operator
v1.ConversionStrategyType CustomResourceConversion.strategy
v1.CoordinatedLeaseStrategy LeaseSpec.strategy
v1.CustomResourceDefinitionConditionType CustomResourceDefinitionCondition.type
v1.DNSPolicy PodSpec.dnsPolicy
v1.DaemonSetConditionType DaemonSetCondition.type
v1.DaemonSetUpdateStrategyType DaemonSetUpdateStrategy.type
v1.DeletionPropagation DeleteOptions.propagationPolicy
v1.DeploymentConditionType DeploymentCondition.type
v1.DeploymentStrategyType DeploymentStrategy.type
v1.FSGroupPolicy CSIDriverSpec.fsGroupPolicy
v1.FailurePolicyType MutatingAdmissionPolicySpec.failurePolicy MutatingWebhook.failurePolicy
v1.FailurePolicyType ValidatingAdmissionPolicySpec.failurePolicy
v1.FailurePolicyType ValidatingWebhook.failurePolicy
v1.FieldValueErrorReason ValidationRule.reason
v1.FinalizerName NamespaceSpec.finalizers
v1.FlowDistinguisherMethodType FlowDistinguisherMethod.type
v1.FlowSchemaConditionType FlowSchemaCondition.type
v1.HostPathType HostPathVolumeSource.type
v1.IPFamily ServiceSpec.ipFamilies
v1.IPFamilyPolicy ServiceSpec.ipFamilyPolicy
v1.JobConditionType JobCondition.type
v1.KeyUsage CertificateSigningRequestSpec.usages
v1.LabelSelectorOperator LabelSelectorRequirement.operator
v1.LimitResponseType LimitResponse.type
v1.LimitType LimitRangeItem.type
v1.LoadBalancerIPMode LoadBalancerIngress.ipMode
v1.ManagedFieldsOperationType ManagedFieldsEntry.operation
v1.MatchPolicyType MatchResources.matchPolicy MutatingWebhook.matchPolicy
v1.MatchPolicyType ValidatingWebhook.matchPolicy
v1.MountPropagationMode VolumeMount.mountPropagation
v1.NamespaceConditionType NamespaceCondition.type
v1.NamespacePhase NamespaceStatus.phase
v1.NodeAddressType NodeAddress.type
v1.NodeConditionType NodeCondition.type
v1.NodeInclusionPolicy TopologySpreadConstraint.nodeAffinityPolicy
v1.NodeInclusionPolicy TopologySpreadConstraint.nodeTaintsPolicy
v1.NodePhase NodeStatus.phase
v1.NodeSelectorOperator NodeSelectorRequirement.operator
v1.OSName PodOS.name
v1.OperationType NamedRuleWithOperations.operations RuleWithOperations.operations
v1.ParameterNotFoundActionType ParamRef.parameterNotFoundAction
v1.PathType HTTPIngressPath.pathType
v1.PersistentVolumeAccessMode PersistentVolumeClaimSpec.accessModes
v1.PersistentVolumeAccessMode PersistentVolumeClaimStatus.accessModes
v1.PersistentVolumeAccessMode PersistentVolumeSpec.accessModes
v1.PersistentVolumeClaimConditionType PersistentVolumeClaimCondition.type
v1.PersistentVolumeClaimModifyVolumeStatus ModifyVolumeStatus.status
v1.PersistentVolumeClaimPhase PersistentVolumeClaimStatus.phase
v1.PersistentVolumeClaimRetentionPolicyType
  StatefulSetPersistentVolumeClaimRetentionPolicy.whenDeleted
  StatefulSetPersistentVolumeClaimRetentionPolicy.whenScaled
v1.PersistentVolumeMode PersistentVolumeClaimSpec.volumeMode PersistentVolumeSpec.volumeMode
v1.PersistentVolumePhase PersistentVolumeStatus.phase
v1.PersistentVolumeReclaimPolicy PersistentVolumeSpec.persistentVolumeReclaimPolicy
v1.PersistentVolumeReclaimPolicy StorageClass.reclaimPolicy
v1.PodConditionType PodCondition.type PodFailurePolicyOnPodConditionsPattern.type
v1.PodConditionType PodReadinessGate.conditionType
v1.PodFSGroupChangePolicy PodSecurityContext.fsGroupChangePolicy
v1.PodFailurePolicyAction PodFailurePolicyRule.action
v1.PodFailurePolicyOnExitCodesOperator PodFailurePolicyOnExitCodesRequirement.operator
v1.PodManagementPolicyType StatefulSetSpec.podManagementPolicy
v1.PodPhase PodStatus.phase
v1.PodQOSClass PodStatus.qosClass
v1.PodReplacementPolicy JobSpec.podReplacementPolicy
v1.PodResizeStatus PodStatus.resize
v1.PodSELinuxChangePolicy PodSecurityContext.seLinuxChangePolicy
v1.PolicyType NetworkPolicySpec.policyTypes
v1.PreemptionPolicy PodSpec.preemptionPolicy PriorityClass.preemptionPolicy
v1.PriorityLevelConfigurationConditionType PriorityLevelConfigurationCondition.type
v1.PriorityLevelEnablement PriorityLevelConfigurationSpec.type
v1.ProcMountType SecurityContext.procMount
v1.Protocol ContainerPort.protocol EndpointPort.protocol IngressPortStatus.protocol
v1.Protocol NetworkPolicyPort.protocol PortStatus.protocol ServicePort.protocol
v1.PullPolicy Container.imagePullPolicy EphemeralContainer.imagePullPolicy
v1.PullPolicy ImageVolumeSource.pullPolicy
v1.RecursiveReadOnlyMode VolumeMount.recursiveReadOnly VolumeMountStatus.recursiveReadOnly
v1.ReinvocationPolicyType MutatingAdmissionPolicySpec.reinvocationPolicy
v1.ReinvocationPolicyType MutatingWebhook.reinvocationPolicy
v1.ReplicaSetConditionType ReplicaSetCondition.type
v1.ReplicationControllerConditionType ReplicationControllerCondition.type
v1.RequestConditionType CertificateSigningRequestCondition.type
v1.ResourceHealthStatus ResourceHealth.health
v1.ResourceID ResourceHealth.resourceID
v1.ResourceName ContainerResizePolicy.resourceName ContainerResourceMetricSource.name
v1.ResourceName ContainerResourceMetricStatus.name ResourceMetricSource.name
v1.ResourceName ResourceMetricStatus.name ResourceStatus.name
v1.ResourceQuotaScope ResourceQuotaSpec.scopes ScopedResourceSelectorRequirement.scopeName
v1.ResourceResizeRestartPolicy ContainerResizePolicy.restartPolicy
v1.ResourceScope CustomResourceDefinitionSpec.scope
v1.RestartPolicy PodSpec.restartPolicy
v1.ScopeSelectorOperator ScopedResourceSelectorRequirement.operator
v1.ScopeType NamedRuleWithOperations.scope RuleWithOperations.scope
v1.SeccompProfileType SeccompProfile.type
v1.SecretType Secret.type
v1.ServiceAffinity ServiceSpec.sessionAffinity
v1.ServiceExternalTrafficPolicy ServiceSpec.externalTrafficPolicy
v1.ServiceInternalTrafficPolicy ServiceSpec.internalTrafficPolicy
v1.ServiceType ServiceSpec.type
v1.SideEffectClass MutatingWebhook.sideEffects ValidatingWebhook.sideEffects
v1.Signal ContainerStatus.stopSignal Lifecycle.stopSignal
v1.StatefulSetConditionType StatefulSetCondition.type
v1.StatefulSetUpdateStrategyType StatefulSetUpdateStrategy.type
v1.StatusReason Validation.reason
v1.StorageMedium EmptyDirVolumeSource.medium
v1.SupplementalGroupsPolicy PodSecurityContext.supplementalGroupsPolicy
v1.TaintEffect Taint.effect Toleration.effect
v1.TerminationMessagePolicy Container.terminationMessagePolicy
v1.TerminationMessagePolicy EphemeralContainer.terminationMessagePolicy
v1.TolerationOperator Toleration.operator
v1.URIScheme HTTPGetAction.scheme
v1.UnhealthyPodEvictionPolicyType PodDisruptionBudgetSpec.unhealthyPodEvictionPolicy
v1.UniqueVolumeName AttachedVolume.name NodeStatus.volumesInUse
v1.UnsatisfiableConstraintAction TopologySpreadConstraint.whenUnsatisfiable
v1.ValidationAction ValidatingAdmissionPolicyBindingSpec.validationActions
v1.VolumeBindingMode StorageClass.volumeBindingMode
v1.VolumeLifecycleMode CSIDriverSpec.volumeLifecycleModes
v2.HPAScalingPolicyType HPAScalingPolicy.type
v2.HorizontalPodAutoscalerConditionType HorizontalPodAutoscalerCondition.type
v2.MetricSourceType MetricSpec.type MetricStatus.type
v2.MetricTargetType MetricTarget.type
v2.ScalingPolicySelect HPAScalingRules.selectPolicy
"""


def _read(table: str) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    for line in table.strip().splitlines():
        places = line.split()
        if not line.startswith(" "):
            name, *places = places
        found.update(dict.fromkeys(places, name))
    return found


_TYPES = _read(_TABLE)


def text_type(struct: str, field: str) -> str:
    """Return Go's name for the type of a text, or of the texts in a list."""
    return _TYPES.get(f"{struct}.{field}", "string")
