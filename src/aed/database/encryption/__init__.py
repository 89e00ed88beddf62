"""Numbers that only this program reads: sealed in the database, opened with keys that do not lie there.

keyring.py      keys, sealing and opening, the blind index by which equal numbers are found
keys.py      where the keys come from: the environment, or a file
columns.py   the types of columns that are sealed
"""
