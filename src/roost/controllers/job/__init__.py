"""Job: run pods to completion, count each of them once, and stop in time.

`facts` reads pods and indexes, `policies` judges failures and successes, `status` counts and concludes,
`decide` is the declaration and says which pods to make and delete.
"""

from roost.controllers.job.decide import CONTROLLER, View, reconcile, refused, view

__all__ = ["CONTROLLER", "View", "reconcile", "refused", "view"]
