"""Decisions about incidents: no SQL, no HTTP, no clock."""
