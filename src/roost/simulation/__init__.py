"""A seeded world: the virtual loop, faults, invariants and trace."""
