"""Find the devices that can be at a patient soonest, and the people who can come.

In reading order:

question.py    what is asked
candidates.py  the devices around, nearest first, with their state at the moment
walks.py       how far it is on foot, with the gates as they are for this viewer at this moment
ranking.py     which can be there soonest, and how far the search has to look
responders.py  the people who can come
answer.py      the search from question to answer
schemas.py     the answer as JSON; reasons.py its sentences in English and Chinese
api.py         the route

arrival.py is the arithmetic, places.py what the register knows of a place, and pace.py learns an estate's
pace from drills.
"""
