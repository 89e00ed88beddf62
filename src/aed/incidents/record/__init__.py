"""The signed record of an incident, told to dispatch centres entry by entry."""
