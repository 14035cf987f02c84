"""Where a pod should run: snapshot, filters, scores. Pure."""
