"""The lookup: what device can be at this patient soonest, and who can come?

nearest.py  the question, the answer, and the search for devices
people.py   the search for responders
ways.py     how far it is on foot, with the gates as they stand for this viewer at this moment
"""
