"""OpenAPI v2 and v3 documents, derived from the registry and the schemas of its kinds."""
