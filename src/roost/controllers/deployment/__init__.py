"""Deployment: roll pods from one template to the next, keeping enough of them available.

`decide` is the declaration and the order of steps; `revision` finds and makes the new ReplicaSet;
`scaling` says how large each ReplicaSet should be; `status` counts and judges progress.
"""

from roost.controllers.deployment.decide import CONTROLLER, View, reconcile, refused, view

__all__ = ["CONTROLLER", "View", "reconcile", "refused", "view"]
