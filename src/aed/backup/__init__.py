"""The whole database in one file, and back.

archive.py   the file: what the database's own tool wrote, and a manifest that says what it must be
folder.py    appearing whole or not at all, and making room for newer ones
tables.py    which tables are the program's own, and how many rows they hold
sqlite.py    one database: copied while it serves, put in place by renaming
postgres.py  the other: pg_dump on a snapshot, pg_restore inside one transaction
whole.py     `take` and `restore`, for both
"""
