"""A simulated cluster served over HTTPS, for clients that others wrote; imported where it is used."""
