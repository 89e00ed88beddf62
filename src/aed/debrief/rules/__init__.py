"""Decisions about what comes after a call."""
