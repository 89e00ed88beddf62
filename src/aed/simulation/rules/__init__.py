"""Decisions and arithmetic: no files, no clock; chance only from a seed.

assumptions.py  what is taken to be so, with where it comes from
areas.py        places spread over areas
world.py        streets, places, devices, responders
incident.py     what happens once: a patient, and everybody's luck
scene.py        one incident with all walks; what is known of it, and what is true
policies.py     the ways of choosing whom to ask
waves.py        the plan, made again as answers come in
outcome.py      what comes of it
figures.py      many outcomes: quantiles, means, differences with their confidence
running.py      all of it, incident by incident
"""
