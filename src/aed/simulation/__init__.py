"""What a way of choosing whom to ask is worth: incidents that never were, on a real street network.

rules/    who lives where, what happens to a patient, the ways of choosing, what comes of each, the figures
queries   a world out of files: a map and a list of devices; there is no database in it
formats/  the curves as a picture, the figures as JSON
"""
