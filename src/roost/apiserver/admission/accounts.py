"""ServiceAccount: every pod runs as an account, and finds its token where clients look for it."""

from __future__ import annotations

from roost.api.kind import Resource
from roost.api.values import Object
from roost.apiserver.admission.base import (
    PODS,
    Base,
    containers_of,
    is_creation,
    is_mirror,
    refuse,
    spec_of,
)
from roost.apiserver.admission.port import Lookup
from roost.apiserver.attributes import Admission
from roost.ports.port import Chance

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_RESOURCE = Resource("", "v1", "serviceaccounts")
_PREFIX = "kube-api-access-"
_ENFORCE = "kubernetes.io/enforce-mountable-secrets"
#: Seven seconds more than an hour: the life by which the server knows a token nobody chose.
_TOKEN_LIFE_S = 3607


class ServiceAccount(Base):
    """Sets the account, its image pull secrets and the volume with its token."""

    name = "ServiceAccount"
    resources = frozenset({PODS})

    def __init__(self, chance: Chance) -> None:
        self._chance = chance

    async def admit(self, request: Admission, lookup: Lookup) -> None:
        if not is_creation(request, PODS):
            return
        pod = request.object
        assert pod is not None
        if is_mirror(pod):
            self._check_mirror(request, pod)
            return
        spec = pod.setdefault("spec", {})
        name = spec.get("serviceAccountName") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        account = await self._account(request, lookup, name)
        if _automounts(account, spec):
            self._mount(spec)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(item) for item in account["imagePullSecrets"]]

    async def validate(self, request: Admission, lookup: Lookup) -> None:
        if not is_creation(request, PODS):
            return
        pod = request.object
        assert pod is not None
        if is_mirror(pod):
            return
        spec = spec_of(pod)
        name = spec.get("serviceAccountName") or ""
        account = await self._account(request, lookup, name)
        annotations = account["metadata"].get("annotations") or {}
        if annotations.get(_ENFORCE) == "true":
            self._check_secrets(request, spec, account)

    async def _account(self, request: Admission, lookup: Lookup, name: str) -> Object:
        account = await lookup.get(_RESOURCE, name, request.namespace)
        if account is None:
            raise refuse(
                request,
                f"error looking up service account {request.namespace}/{name}:"
                f' serviceaccount "{name}" not found',
            )
        return account

    def _check_mirror(self, request: Admission, pod: Object) -> None:
        """A mirror pod shows what runs anyway: it may not get at anything of the API."""
        if spec_of(pod).get("serviceAccountName"):
            raise refuse(request, "a mirror pod may not reference service accounts")
        for volume in spec_of(pod).get("volumes") or ():
            sources = (volume.get("projected") or {}).get("sources") or ()
            if any("serviceAccountToken" in source for source in sources):
                raise refuse(
                    request,
                    "a mirror pod may not use ServiceAccountToken volume projections",
                )

    def _mount(self, spec: Object) -> None:
        volumes = list(spec.get("volumes") or ())
        made = next((v["name"] for v in volumes if _is_token_volume(v)), "")
        volume = made or _PREFIX + self._chance.suffix(5)
        used = False
        for container in containers_of(spec):
            mounts = container.get("volumeMounts") or []
            if any(mount.get("mountPath") == MOUNT_PATH for mount in mounts):
                continue
            mount = {"name": volume, "readOnly": True, "mountPath": MOUNT_PATH}
            container["volumeMounts"] = [*mounts, mount]
            used = True
        if used and not made:
            spec["volumes"] = [*volumes, _token_volume(volume)]

    def _check_secrets(self, request: Admission, spec: Object, account: Object) -> None:
        mountable = {item.get("name") for item in account.get("secrets") or ()}
        pullable = {item.get("name") for item in account.get("imagePullSecrets") or ()}
        own = account["metadata"]["name"]
        for volume in spec.get("volumes") or ():
            name = (volume.get("secret") or {}).get("secretName")
            if name and name not in mountable:
                raise refuse(
                    request,
                    f'volume with secret.secretName="{name}" is not allowed because service'
                    f" account {own} does not reference that secret",
                )
        for container in containers_of(spec):
            for name in _secrets_of(container):
                if name not in mountable:
                    raise refuse(
                        request,
                        f"container {container.get('name', '')} with secret {name} is not allowed"
                        f" because service account {own} does not reference that secret",
                    )
        for item in spec.get("imagePullSecrets") or ():
            if item.get("name") not in pullable:
                raise refuse(
                    request,
                    f'imagePullSecrets[].name="{item.get("name")}" is not allowed because service'
                    f" account {own} does not reference that imagePullSecret",
                )


def _automounts(account: Object, spec: Object) -> bool:
    """The pod's word counts before its account's; without any, the token is mounted."""
    for holder in (spec, account):
        wanted = holder.get("automountServiceAccountToken")
        if wanted is not None:
            return bool(wanted)
    return True


def _is_token_volume(volume: Object) -> bool:
    if not volume.get("name", "").startswith(_PREFIX):
        return False
    return bool(volume.get("projected") == _token_volume("")["projected"])


def _token_volume(name: str) -> Object:
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": _TOKEN_LIFE_S, "path": "token"}},
        {
            "configMap": {
                "name": "kube-root-ca.crt",
                "items": [{"key": "ca.crt", "path": "ca.crt"}],
            }
        },
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 420}}


def _secrets_of(container: Object) -> list[str]:
    values = [item.get("valueFrom") or {} for item in container.get("env") or ()]
    names = [(value.get("secretKeyRef") or {}).get("name") for value in values]
    names += [(item.get("secretRef") or {}).get("name") for item in container.get("envFrom") or ()]
    return [name for name in names if name]
