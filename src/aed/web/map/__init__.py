"""The map of devices: its page, the page for frames of partners, and what the map's script loads."""
