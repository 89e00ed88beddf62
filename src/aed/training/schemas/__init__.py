"""What crosses the boundary about training."""
