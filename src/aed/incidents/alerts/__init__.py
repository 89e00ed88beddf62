"""Call people to an incident, take their answers and locations, and stop them."""
