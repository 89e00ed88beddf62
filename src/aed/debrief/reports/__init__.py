"""The after-action report of an incident."""
