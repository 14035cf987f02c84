"""Objects in the protobuf form that typed Go clients speak."""
