"""Output formats of a simulation."""
