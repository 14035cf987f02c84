"""Regular expressions of clients: the language is RE2's, as in Kubernetes; see patterns.py."""
