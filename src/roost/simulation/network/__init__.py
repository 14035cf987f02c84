"""The wires of a simulated cluster: addresses, Services, names, and every request's way."""
