"""Versions that the API does not serve, or no more, but that the server still reads.

A body in one of them is understood, and then refused because the request asked for another version;
a version that is not here is not even known.
"""

from __future__ import annotations

_TABLE = """
admissionregistration.k8s.io/v1alpha1 MutatingAdmissionPolicy MutatingAdmissionPolicyBinding
admissionregistration.k8s.io/v1alpha1 ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding
admissionregistration.k8s.io/v1beta1 MutatingAdmissionPolicy MutatingAdmissionPolicyBinding
admissionregistration.k8s.io/v1beta1 MutatingWebhookConfiguration ValidatingAdmissionPolicy
admissionregistration.k8s.io/v1beta1 ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration
apiextensions.k8s.io/v1beta1 CustomResourceDefinition
apiregistration.k8s.io/v1beta1 APIService
apps/v1beta1 ControllerRevision Deployment DeploymentRollback Scale StatefulSet
apps/v1beta2 ControllerRevision DaemonSet Deployment ReplicaSet Scale StatefulSet
authentication.k8s.io/v1alpha1 SelfSubjectReview
authentication.k8s.io/v1beta1 SelfSubjectReview TokenReview
authorization.k8s.io/v1beta1 LocalSubjectAccessReview SelfSubjectAccessReview
authorization.k8s.io/v1beta1 SelfSubjectRulesReview SubjectAccessReview
batch/v1beta1 CronJob
certificates.k8s.io/v1alpha1 ClusterTrustBundle
certificates.k8s.io/v1beta1 CertificateSigningRequest ClusterTrustBundle PodCertificateRequest
coordination.k8s.io/v1alpha2 LeaseCandidate
coordination.k8s.io/v1beta1 Lease LeaseCandidate
discovery.k8s.io/v1beta1 EndpointSlice
events.k8s.io/v1beta1 Event
extensions/v1beta1 DaemonSet Deployment DeploymentRollback Ingress NetworkPolicy ReplicaSet Scale
flowcontrol.apiserver.k8s.io/v1beta1 FlowSchema PriorityLevelConfiguration
flowcontrol.apiserver.k8s.io/v1beta2 FlowSchema PriorityLevelConfiguration
flowcontrol.apiserver.k8s.io/v1beta3 FlowSchema PriorityLevelConfiguration
internal.apiserver.k8s.io/v1alpha1 StorageVersion
networking.k8s.io/v1beta1 IPAddress Ingress IngressClass ServiceCIDR
node.k8s.io/v1alpha1 RuntimeClass
node.k8s.io/v1beta1 RuntimeClass
policy/v1beta1 Eviction PodDisruptionBudget
rbac.authorization.k8s.io/v1alpha1 ClusterRole ClusterRoleBinding Role RoleBinding
rbac.authorization.k8s.io/v1beta1 ClusterRole ClusterRoleBinding Role RoleBinding
resource.k8s.io/v1alpha3 DeviceTaintRule
resource.k8s.io/v1beta1 DeviceClass ResourceClaim ResourceClaimTemplate ResourceSlice
resource.k8s.io/v1beta2 DeviceClass DeviceTaintRule ResourceClaim ResourceClaimTemplate
resource.k8s.io/v1beta2 ResourceSlice
scheduling.k8s.io/v1alpha2 PodGroup Workload
scheduling.k8s.io/v1beta1 PriorityClass
storage.k8s.io/v1alpha1 CSIStorageCapacity VolumeAttachment VolumeAttributesClass
storage.k8s.io/v1beta1 CSIDriver CSINode CSIStorageCapacity StorageClass VolumeAttachment
storage.k8s.io/v1beta1 VolumeAttributesClass
storagemigration.k8s.io/v1beta1 StorageVersionMigration
"""
_KNOWN = frozenset(
    (line.partition(" ")[0], kind)
    for line in _TABLE.strip().splitlines()
    for kind in line.split()[1:]
)


def is_former(api_version: str, kind: str) -> bool:
    """Does the server read a kind in a version, although it may not serve it?"""
    return (api_version, kind.removesuffix("List")) in _KNOWN or (api_version, kind) in _KNOWN
