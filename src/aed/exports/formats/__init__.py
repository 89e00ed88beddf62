"""The files that leave, one module each; every one is written a page of devices at a time.

own.py         a device as a row of the project's own formats
tables.py      the project's own CSV and XLSX
geojson.py     the project's own GeoJSON: devices; regions, estates and gates
osm_change.py  OpenStreetMap tags as an osmChange file
geodae.py      France's national schema
japan.py       Japan's national schema
kml.py         KML
geopackage.py  GeoPackage
forms.py       which module writes which format, its media type and file name
"""
