"""Inspection rounds: devices in walking order within their hours, assigned to inspectors."""
