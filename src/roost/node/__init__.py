"""The node agent: pod lifecycle, probes, volumes, status and streaming."""
