"""CustomResourceDefinitions: what they say, whether it is right, and the kinds they make. Pure."""
