"""Defaults: what the server fills in when the user says nothing.

One module per family of kinds. Each public function is a `Hook` over a `Change`, named after its
kind, and is idempotent: it also runs on what is read back. Defaults include the empty structures that
Kubernetes always writes (`resources: {}`, `status: {}`), because clients compare them.
"""
