"""The first administrator of a new installation, who proves access to the machine by a one-time code."""
