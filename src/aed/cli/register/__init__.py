"""The register by hand: regions, estates, gates, devices, consumables, holiday calendars."""
