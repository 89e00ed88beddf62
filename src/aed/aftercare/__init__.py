"""After a call: every device that was sent for is asked after, and everyone who came is thanked and asked how
they are. Incidents tell nobody; it is found here."""
