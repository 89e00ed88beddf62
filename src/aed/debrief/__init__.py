"""After a call: every device that was sent for is asked after, and everyone who came is thanked and asked how
they are. What became of the patient is told, reported for learning, and counted by year. Incidents tell
nobody; it is found here."""
