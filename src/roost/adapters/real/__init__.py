"""Ports on a real machine."""
