"""The street network and how far it is on foot: no database, no HTTP.

walkable.py  what a person may walk on, which barriers are gates: decisions on OSM tags
osm.py       reads an extract (the only file that needs osmium)
build.py     from an extract to a network
streets.py   the arrays, and the order they lie in
footing.py   where a point stands on the streets
reach.py     how far it is from one start, and by which way
network.py   what others use: the network, its gates, its questions
basis.py     what a walk was measured on
file.py      saved and loaded as one file
"""
