"""Find the devices and responders that can be at a patient soonest.

In reading order:

question.py    parameters of a lookup
candidates.py  nearby devices, nearest first, with hours and readiness evaluated
walks.py       walking distances, with gates evaluated for the viewer and moment
ranking.py     ranking by expected time, and how far the search must look
responders.py  nearby responders
answer.py      the search from question to answer
neighbours.py  the same question to neighbouring cells, and the best of all answers
schemas.py     the answer as JSON; reasons.py has its sentences in English and Chinese
api.py         the route

arrival.py computes times and probabilities, places.py looks up building, pace and storey numbering at a
place, and pace.py estimates an estate's pace from drills.
"""
