"""Roost: a whole Kubernetes in one package. See docs/explanation/architecture.md for its layers."""
