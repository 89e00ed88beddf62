"""Several installations as one network: a cell is an installation that has some of the regions.

rules.py       the table of cells, and what is wrong with one
table.py       read and sign the table's file
requests.py    sign requests between cells, and verify them
neighbours.py  ask other cells, each within a deadline
dependencies.py  routes that only other cells may use

What a lookup asks a neighbouring cell is in `aed.lookup.neighbours`.
"""
