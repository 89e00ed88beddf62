"""Open an incident, update, steer, correct and close it."""
