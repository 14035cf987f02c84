"""metrics.k8s.io: what nodes and pods use now, as `kubectl top` shows it."""
