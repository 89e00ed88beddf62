"""Accounts of one person in two cells: the home account, and a reference to it in the other cell.

Only a random key is shared. It crosses in a link that the person opens; after that the two cells exchange
signed requests about it, which `jobs.py` repeats until they are confirmed. See docs/run/provinces.md.
"""
