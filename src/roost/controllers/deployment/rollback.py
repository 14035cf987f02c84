"""Going back on request of an annotation, as clients of extensions/v1beta1 did it.

`kubectl rollout undo` changes the template itself and needs nothing of this.
"""

from __future__ import annotations

from roost.api.values import Object
from roost.controllers.deployment.revision import (
    OWN_ANNOTATIONS,
    ROLLBACK,
    ensure_new,
    revision_of,
    same_template,
)
from roost.controllers.deployment.rollout import HASH_LABEL, Rollout
from roost.decisions.meta import annotations_of, name_of, normal, warning
from roost.decisions.plan import Action, EmitEvent, Update
from roost.decisions.resources import DEPLOYMENTS

_NOT_FOUND = "DeploymentRollbackRevisionNotFound"


def wanted_revision(deployment: Object) -> int | None:
    """Return the revision to go back to, 0 for the last one; None if nobody asks for it."""
    try:
        return int(annotations_of(deployment).get(ROLLBACK, ""))
    except ValueError:
        return None


def roll_back(rollout: Rollout, revision: int, named: Object | None) -> list[Action]:
    """Return what brings back the template of a revision, and clears the request."""
    if not ensure_new(rollout, named, create=True):
        return []
    changed, told = _outcome(rollout, revision)
    annotations = {k: v for k, v in annotations_of(changed).items() if k != ROLLBACK}
    metadata = {**changed["metadata"], "annotations": annotations}
    return [*rollout.actions, told, Update(DEPLOYMENTS, {**changed, "metadata": metadata})]


def _outcome(rollout: Rollout, revision: int) -> tuple[Object, EmitEvent]:
    deployment, regarding = rollout.deployment, rollout.regarding
    last = sorted((revision_of(rs) for rs in rollout.all), reverse=True)[1:2]
    number = revision or (last[0] if last else 0)
    if not number:
        return deployment, warning(regarding, _NOT_FOUND, "Unable to find last revision.")
    target = next((rs for rs in rollout.all if revision_of(rs) == number), None)
    if target is None:
        text = "Unable to find the revision to rollback to."
        return deployment, warning(regarding, _NOT_FOUND, text)
    if same_template(target["spec"]["template"], deployment["spec"]["template"]):
        text = (
            "The rollback revision contains the same template as current deployment "
            f'"{name_of(deployment)}"'
        )
        return deployment, warning(regarding, "DeploymentRollbackTemplateUnchanged", text)
    text = f'Rolled back deployment "{name_of(deployment)}" to revision {number}'
    return _with_template_of(deployment, target), normal(regarding, "DeploymentRollback", text)


def _with_template_of(deployment: Object, target: Object) -> Object:
    template = target["spec"]["template"]
    source = template.get("metadata") or {}
    labels = {k: v for k, v in (source.get("labels") or {}).items() if k != HASH_LABEL}
    own = {k: v for k, v in annotations_of(deployment).items() if k in OWN_ANNOTATIONS}
    its = {k: v for k, v in annotations_of(target).items() if k not in OWN_ANNOTATIONS}
    return {
        **deployment,
        "metadata": {**deployment["metadata"], "annotations": {**own, **its}},
        "spec": {
            **deployment["spec"],
            "template": {**template, "metadata": {**source, "labels": labels}},
        },
    }
