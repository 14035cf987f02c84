"""Ports in a web page."""
