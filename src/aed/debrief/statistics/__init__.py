"""Yearly statistics of incidents."""
