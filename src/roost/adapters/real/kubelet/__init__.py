"""The kubelet's HTTPS API on a real node: logs, exec, attach, port-forward, pods, stats."""
