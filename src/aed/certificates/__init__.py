"""Whether certificates are what they say, by whoever issued them; and whether two people are one."""
