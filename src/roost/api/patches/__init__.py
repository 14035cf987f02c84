"""The four patch types and field ownership, as functions from objects to objects."""
