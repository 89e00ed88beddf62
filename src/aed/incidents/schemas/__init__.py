"""What crosses the boundary."""
