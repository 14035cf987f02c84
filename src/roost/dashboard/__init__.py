"""The web view: a client of the API like any other."""
