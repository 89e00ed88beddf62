"""Check lists of devices before they are imported."""
