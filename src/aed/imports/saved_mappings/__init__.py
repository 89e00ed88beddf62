"""Mappings of lists, saved with a name for the next time."""
