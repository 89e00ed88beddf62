"""Figures of the code itself: its size, and the way from a request to the database."""
