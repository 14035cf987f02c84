"""The built-in kinds, one module per API group. Adding a kind touches one file here."""
