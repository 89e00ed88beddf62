"""Change alerts."""
