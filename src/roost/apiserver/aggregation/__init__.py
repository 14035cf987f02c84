"""APIServices: which group versions there are, here or at extension servers."""
