"""Admission policies: what users say about writes in CEL."""
