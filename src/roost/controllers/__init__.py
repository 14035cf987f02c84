"""What should happen: one pure module per controller."""
