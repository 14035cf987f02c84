"""Exec, attach, port-forward and logs, as the kubelet API serves them; no sockets here."""
