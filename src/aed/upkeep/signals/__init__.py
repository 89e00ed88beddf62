"""Signals of devices and cabinets: heartbeat, self-test, battery, door, temperature, movement."""
