"""Metrics of the source code: its size, and the path from a request to the database."""
