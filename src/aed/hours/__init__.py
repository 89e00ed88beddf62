"""Parse, evaluate and write OSM opening hours, and provide the holiday calendars that they refer to."""
