"""The street network and walking distances on it. Uses neither the database nor HTTP.

walkable.py  which OSM ways are walkable and which barriers are gates
osm.py       reads an OSM extract (the only file that needs osmium)
build.py     builds a network from an extract
streets.py   arrays of streets, ordered by location
chains.py    junctions and the chains of edges between them, which the search runs on
footing.py   snaps points to the nearest street
memory.py    a cache of snapped points
window.py    the part of a large network that is searched
blocks.py    gates as closures and delays
search.py    the shortest-path search from one start
reach.py     distances from one start
way.py       paths from one start
network.py   the public interface: the network, its gates and queries
basis.py     whether a distance is measured on streets or estimated
file.py      saves and loads a network as one file
travel.py    travel times
"""
