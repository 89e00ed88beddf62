"""Connect dispatch centres, and take their signed messages."""
