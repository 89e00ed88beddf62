"""Back up the whole database to one file, and restore it.

archive.py   the file: the output of the database's own tool, and a manifest
folder.py    write files atomically, and delete old backups
tables.py    the program's own tables, and their row counts
sqlite.py    SpatiaLite: copy a database in use; restore by renaming
postgres.py  PostGIS: pg_dump of a snapshot; pg_restore in one transaction
whole.py     `take` and `restore`, for both
"""
