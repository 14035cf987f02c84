"""Job: run pods to completion, count each of them once, and stop in time.

`facts` reads pods and indexes, `policies` judges failures and successes, `accounting` counts,
`backoff` says how failures delay, `status` concludes, `pods` makes pods; `decide` is the declaration
and says which pods to make and delete.
"""

from roost.controllers.job.decide import CONTROLLER, Left, View, reconcile, refused, view

__all__ = ["CONTROLLER", "Left", "View", "reconcile", "refused", "view"]
