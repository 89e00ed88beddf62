"""Rules of the simulation: no files, no clock; randomness only from a seed.

assumptions.py  assumed numbers with their sources
world.py        streets, places, devices, responders, spread over areas
incident.py     one patient, and the random numbers of all people and devices
scene.py        one incident with all walks: what is known, and what is true
policies.py     strategies of choosing whom to ask
waves.py        the plan, made again as answers come in
outcome.py      the outcome of one incident
figures.py      many outcomes: quantiles, means, differences with their confidence
running.py      runs all incidents
"""
