"""Strategies: what a write may change, before it is validated.

A `Strategy` is the `prepare` hook of a kind: on create it drops what only the server may set, on
update it keeps what this subresource may not touch, and it counts generations. One module per family
of kinds declares those that differ from the plain one.
"""
