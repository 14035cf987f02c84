"""Functions and flows, built as a third party would build them."""
