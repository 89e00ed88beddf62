"""Find the device that can be at a patient soonest, and the people who can come.

api.py         the route
search.py      the search for devices
responders.py  the search for responders
walks.py       how far it is on foot, with the gates as they are for this viewer at this moment
"""
