"""What `kubectl get` shows: the cells of a kind's table, computed from an object."""
