"""Ports in virtual time."""
