"""Defaults of volumes in pods and of the sources that persistent volumes share with them."""

from __future__ import annotations

from roost.api.defaults.containers import field_ref, pull_policy, resource_field_ref
from roost.api.defaults.quantities import round_up
from roost.api.values import Object

#: 0644, what files of a volume may be done with unless it says otherwise.
_FILE_MODE = 420
_TOKEN_LIFETIME_S = 3600
_WITH_MODE = ("secret", "configMap", "downwardAPI", "projected")

#: What the older block and network sources say when they are used without it.
_SOURCES: dict[str, Object] = {
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {
        "cachingMode": "ReadWrite",
        "kind": "Shared",
        "fsType": "ext4",
        "readOnly": False,
    },
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}


def source(value: Object) -> None:
    """Fill in the sources that volumes and persistent volumes have in common."""
    host_path = value.get("hostPath")
    if host_path is not None and host_path.get("type") is None:
        host_path["type"] = ""
    for name, known in _SOURCES.items():
        found = value.get(name)
        if found is not None:
            for key, default in known.items():
                if found.get(key) in (None, "") and (default or found.get(key) is None):
                    found[key] = default


def volume(value: Object) -> None:
    """Fill in one volume of a pod; one without a source is an emptyDir."""
    if not any(value[key] is not None for key in value if key != "name"):
        value["emptyDir"] = {}
        return
    source(value)
    for name in _WITH_MODE:
        found = value.get(name)
        if found is not None and found.get("defaultMode") is None:
            found["defaultMode"] = _FILE_MODE
    _downward_items(value.get("downwardAPI"))
    projected = value.get("projected")
    if projected:
        for projection in projected.get("sources") or ():
            _downward_items(projection.get("downwardAPI"))
            token = projection.get("serviceAccountToken")
            if token is not None and token.get("expirationSeconds") is None:
                token["expirationSeconds"] = _TOKEN_LIFETIME_S
    image = value.get("image")
    if image is not None and not image.get("pullPolicy"):
        image["pullPolicy"] = pull_policy(image.get("reference") or "")
    ephemeral = value.get("ephemeral")
    if ephemeral and ephemeral.get("volumeClaimTemplate") is not None:
        template = ephemeral["volumeClaimTemplate"]
        template.setdefault("metadata", {})
        claim_spec(template.setdefault("spec", {}))


def _downward_items(value: Object | None) -> None:
    if value:
        for item in value.get("items") or ():
            field_ref(item.get("fieldRef"))
            resource_field_ref(item.get("resourceFieldRef"))


def claim_spec(spec: Object) -> None:
    """Fill in the spec of a persistent volume claim."""
    if spec.get("volumeMode") is None:
        spec["volumeMode"] = "Filesystem"
    resources = spec.get("resources")
    if resources is None:
        spec["resources"] = {}
    else:
        round_up(resources.get("limits"))
        round_up(resources.get("requests"))
