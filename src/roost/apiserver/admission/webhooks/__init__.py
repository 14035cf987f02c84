"""Webhooks: what users' own servers say about writes."""
