"""The gap table as files."""
