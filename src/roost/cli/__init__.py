"""Entry points: the only place, with simulation, that wires things together."""
