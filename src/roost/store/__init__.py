"""A revisioned log of keys: the port and its embedded forms."""
