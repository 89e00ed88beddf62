"""The street network and walking distances on it. Uses neither the database nor HTTP.

walkable.py          which OSM ways are walkable and which barriers are gates
osm.py               reads an OSM extract (the only file that needs osmium)
build.py             builds a network from an extract
streets.py           arrays of streets, ordered by location
contracted_edges.py  junctions and the chains of edges between them, which the search runs on
snapping.py          snaps points to the nearest street
subgraph.py          the part of a large network that is searched
gate_delays.py       gates as closures and delays
dijkstra.py          the shortest-path search from one start
reachable.py         distances from one start
path.py              paths from one start
network.py           the public interface: the network, its gates and queries
file.py              saves and loads a network as one file
travel.py            travel times
"""
