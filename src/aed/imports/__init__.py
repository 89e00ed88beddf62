"""Import lists that others maintain: devices, estates, buildings, responders.

An import is idempotent by source and id, and atomic; bad rows are set aside with their reason.

devices/    match, merge, review       feeds/      lists fetched on a schedule
lint/       check a list first         formats/    every file format that can be read
estates.py  responders.py
batches.py  rows in batches            uploads.py        files sent over HTTP
schemas.py  rules.py  findings.py  coordinates.py  outlines.py

Rosters of sessions and of issuers are imported in training and certificates, with the same parts.
"""
