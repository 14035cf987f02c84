"""Benchmarks: each prints one JSON object a line. `./dev bench [NAME ...]` runs them."""
