"""Other people's files: what a list of devices is read from, in bounded memory.

recognise.py    which format a file is in; `read_devices`
records.py      what every format is read into

table.py        the project's own CSV and XLSX
geojson.py      the project's own GeoJSON
osm.py          OpenStreetMap's tags, and GeoJSON and CSV of them; overpass.py, osm_pbf.py other files of them
mapped.py       lists that a mapping describes
mapping.py      what a mapping may say; the built-in ones are *.yaml
values.py       dates, floors, telephone numbers in cells; hours.py hours; cells.py what would be executed

files.py        opening a file that may be anything; delimited.py, workbook.py, json_stream.py its rows
template.py     empty tables to fill in
"""
