"""One module per admission plugin, and the order they run in."""
