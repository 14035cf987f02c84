"""Authentication and authorisation as decisions. Pure."""
