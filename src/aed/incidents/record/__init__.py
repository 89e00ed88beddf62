"""The signed record of an incident, sent to dispatch centres entry by entry."""
