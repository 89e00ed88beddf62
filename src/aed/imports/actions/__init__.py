"""Import rosters."""
