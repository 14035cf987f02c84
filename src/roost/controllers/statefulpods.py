"""What a StatefulSet makes for an ordinal: a pod with a name of its own, and its claims. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from roost.api.values import Object
from roost.decisions.meta import (
    controller_reference,
    deleting,
    name_of,
    namespace_of,
    normal,
    object_reference,
)
from roost.decisions.plan import Create
from roost.decisions.resources import PERSISTENT_VOLUME_CLAIMS, STATEFUL_SETS
from roost.decisions.revisions import POD_LABEL, template_of
from roost.decisions.templates import pod_from

POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
POD_INDEX_LABEL = "apps.kubernetes.io/pod-index"


def identity_of(stateful_set: Object, ordinal: int) -> dict[str, str]:
    """Return the labels by which a pod is told from the others."""
    return {
        POD_NAME_LABEL: f"{name_of(stateful_set)}-{ordinal}",
        POD_INDEX_LABEL: str(ordinal),
    }


def ending_claims(stateful_set: Object, ordinal: int, claims: Iterable[Object]) -> list[str]:
    """Return the names of the claims of an ordinal that are being deleted."""
    ending = {name_of(claim) for claim in claims if deleting(claim)}
    owner = name_of(stateful_set)
    templates = stateful_set["spec"].get("volumeClaimTemplates") or ()
    names = (f"{template['metadata']['name']}-{owner}-{ordinal}" for template in templates)
    return [name for name in names if name in ending]


def missing_claims(
    stateful_set: Object, ordinal: int, claims: Iterable[Object]
) -> Iterator[Create]:
    """Yield the claims of an ordinal that are not among `claims`."""
    spec, owner = stateful_set["spec"], name_of(stateful_set)
    known = {name_of(claim) for claim in claims}
    for template in spec.get("volumeClaimTemplates") or ():
        name = f"{template['metadata']['name']}-{owner}-{ordinal}"
        if name in known:
            continue
        labels = {
            **(template["metadata"].get("labels") or {}),
            **((spec.get("selector") or {}).get("matchLabels") or {}),
        }
        metadata = {
            **{k: v for k, v in template["metadata"].items() if k == "annotations"},
            "name": name,
            "namespace": namespace_of(stateful_set),
            "labels": labels,
        }
        text = f"create Claim {name} Pod {owner}-{ordinal} in StatefulSet {owner} success"
        regarding = object_reference(STATEFUL_SETS, "StatefulSet", stateful_set)
        yield Create(
            PERSISTENT_VOLUME_CLAIMS,
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": metadata,
                "spec": template["spec"],
            },
            tolerate_existing=True,
            announce=normal(regarding, "SuccessfulCreate", text),
        )


def pod_of(stateful_set: Object, ordinal: int, revision: Object) -> Object:
    """Return the pod of an ordinal, from the template of a revision."""
    spec, owner = stateful_set["spec"], name_of(stateful_set)
    reference = controller_reference(STATEFUL_SETS, "StatefulSet", stateful_set)
    pod = pod_from(template_of(revision), stateful_set, reference)
    name = f"{owner}-{ordinal}"
    metadata = {k: v for k, v in pod["metadata"].items() if k != "generateName"}
    metadata["name"] = name
    metadata["labels"] = {
        **(metadata.get("labels") or {}),
        **identity_of(stateful_set, ordinal),
        POD_LABEL: name_of(revision),
    }
    templates = [t["metadata"]["name"] for t in spec.get("volumeClaimTemplates") or ()]
    volumes = [
        {"name": volume, "persistentVolumeClaim": {"claimName": f"{volume}-{owner}-{ordinal}"}}
        for volume in templates
    ]
    volumes += [v for v in pod["spec"].get("volumes") or () if v["name"] not in templates]
    changed = {**pod["spec"], "hostname": name}
    if spec.get("serviceName"):
        changed["subdomain"] = spec["serviceName"]
    if volumes:
        changed["volumes"] = volumes
    return {**pod, "metadata": metadata, "spec": changed}
