"""As whom each controller acts: its service account in kube-system, which has the role of its name.

Controllers of Roost alone have no such role: they act as the controller manager itself does.
"""

from __future__ import annotations

from typing import Final

from roost.apiserver.access.bootstrap.controllers import CONTROLLER_ROLES
from roost.apiserver.access.identity import AUTHENTICATED, MASTERS
from roost.apiserver.attributes import User

MANAGER: Final = User("system:kube-controller-manager", (MASTERS, AUTHENTICATED))

_GROUPS: Final = (
    "system:serviceaccounts", "system:serviceaccounts:kube-system", AUTHENTICATED,
)  # fmt: skip
_PREFIX: Final = "system:serviceaccount:kube-system:"
#: Controllers whose account has another name.
_ACCOUNTS: Final = {
    "bootstrap-signer-controller": "bootstrap-signer",
    "certificatesigningrequest-approving-controller": "certificate-controller",
    "certificatesigningrequest-cleaner-controller": "certificate-controller",
    "certificatesigningrequest-signing-controller": "certificate-controller",
    "daemonset-controller": "daemon-set-controller",
    "endpoints-controller": "endpoint-controller",
    "endpointslice-mirroring-controller": "endpointslicemirroring-controller",
    "garbage-collector-controller": "generic-garbage-collector",
    "horizontal-pod-autoscaler-controller": "horizontal-pod-autoscaler",
    "legacy-serviceaccount-token-cleaner-controller": "legacy-service-account-token-cleaner",
    "node-ipam-controller": "node-controller",
    "node-lifecycle-controller": "node-controller",
    "persistentvolume-attach-detach-controller": "attachdetach-controller",
    "persistentvolume-binder-controller": "persistent-volume-binder",
    "persistentvolume-expander-controller": "expand-controller",
    "persistentvolume-protection-controller": "pv-protection-controller",
    "persistentvolumeclaim-protection-controller": "pvc-protection-controller",
    "pod-garbage-collector-controller": "pod-garbage-collector",
    "replicationcontroller-controller": "replication-controller",
    "resourceclaim-controller": "resource-claim-controller",
    "root-ca-certificate-publisher-controller": "root-ca-cert-publisher",
    "service-cidr-controller": "service-cidrs-controller",
    "serviceaccount-controller": "service-account-controller",
    "taint-eviction-controller": "node-controller",
    "token-cleaner-controller": "token-cleaner",
}
#: Accounts whose roles are all in namespaces.
_IN_NAMESPACES: Final = frozenset({"bootstrap-signer", "token-cleaner"})


def controller_user(name: str) -> User:
    """Return as whom the controller of this name acts."""
    account = _ACCOUNTS.get(name, name)
    known = account in CONTROLLER_ROLES or account in _IN_NAMESPACES
    return User(_PREFIX + account, _GROUPS) if known else MANAGER
