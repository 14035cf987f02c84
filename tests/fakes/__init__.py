"""Fakes that satisfy Roost's ports, for tests."""
