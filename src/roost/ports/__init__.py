"""What the world must offer: wall clock, chance, ids, network, processes, files."""
