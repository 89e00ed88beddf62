"""Change incidents."""
