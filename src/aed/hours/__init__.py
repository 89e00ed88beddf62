"""Parse, evaluate and write opening hours, and keep the holiday calendars that they refer to."""
