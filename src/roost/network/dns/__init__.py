"""Cluster DNS: answers from a table, served by a small process of its own."""
