"""Simulate incidents on a real street network to compare strategies of choosing whom to alert.

rules/    where people live, what happens to a patient, the strategies, their outcomes, the figures
queries   a world read from files: a map and a list of devices; no database
formats/  the curves as a picture, the figures as JSON
"""
