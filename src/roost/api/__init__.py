"""The language: kinds as data, metadata, selectors, quantities, merges, errors. Pure."""
