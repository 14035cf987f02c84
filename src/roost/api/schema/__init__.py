"""Schemas of kinds, compiled once into functions that prune, default and validate."""
