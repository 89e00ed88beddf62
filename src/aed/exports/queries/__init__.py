"""Reading what is published, always with the viewer's predicate.

devices.py   devices a page at a time, with what the viewer may know of each
estates.py   regions, estates and gates
tiles.py     a vector tile
"""
