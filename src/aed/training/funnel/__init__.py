"""How many of those who enrolled in courses came, passed, and hold a valid certificate."""
