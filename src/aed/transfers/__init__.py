"""Move an estate to another cell: export it in one, import it in the other, release it in the first.

rules.py    the tables that travel, those that stay, and values as JSON
models.py   tables: imported estates and their rows; where released devices went
schemas.py  the files that cells give each other, signed and encrypted
queries.py  read an estate for a file; find where a device went
actions.py  import an estate; release it
"""
