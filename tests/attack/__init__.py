"""A bounded attack on a local server process, with the times of lookups during it."""
