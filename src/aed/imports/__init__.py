"""Import lists that others keep: devices, estates, buildings, responders.

An import is idempotent by source and id, whole or not at all; bad rows are set aside with their reason.

devices/    match, merge, review       feeds/      lists fetched on a timetable
lint/       check a list first         formats/    every file format that can be read
estates.py  responders.py              issuer_checks.py  ask issuers about certificates
batches.py  rows in batches            uploads.py        files sent over HTTP
schemas.py  rules.py  findings.py  coordinates.py  outlines.py
"""
