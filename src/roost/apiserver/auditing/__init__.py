"""The audit log: who did what, as far as a policy wants to know."""
