"""The ports made real, with the same file names in real, virtual and browser."""
