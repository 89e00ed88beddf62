"""The street network and how far it is on foot: no database, no HTTP.

walkable.py  what a person may walk on, which barriers are gates: decisions on OSM tags
osm.py       reads an extract (the only file that needs osmium)
build.py     from an extract to a network
streets.py   the arrays, and the order they lie in
chains.py    junctions, and the chains of edges between them: what is searched
footing.py   where a point stands on the streets
memory.py    where places stand that are asked for again and again
window.py    part of a large network, cut out to be searched
blocks.py    gates as closures and delays
search.py    the one search that all walks of a question come from
reach.py     how far it is from one start
way.py       and by which way
network.py   what others use: the network, its gates, its questions
basis.py     what a walk was measured on
file.py      saved and loaded as one file
"""
