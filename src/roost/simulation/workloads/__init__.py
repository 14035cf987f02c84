"""Programs for simulated containers: classes with a name, a version and an async `run`."""
