"""Other people's files: one module per format, each turning a file into records.

table.py        the project's own CSV
geojson.py      the project's own GeoJSON
osm_geojson.py  OpenStreetMap defibrillators as GeoJSON
recognise.py    which of them a file is
"""
