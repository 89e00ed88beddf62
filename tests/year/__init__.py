"""A year of a network, run by moving the clock: everything that happens goes through the program itself.

`python -m tests.year` runs 1,200 estates with 12,000 devices and prints a table; `tests/upkeep/test_year.py`
runs a small network on both databases.

world.py   the network on its first day
ledger.py  what happened, kept apart from the program, and what should follow from it
people.py  what people do: they check, replace, use, lose, report, and answer what they are told
run.py     day after day: the timetable in the morning, lookups at noon, people in the afternoon
story.py   whether the program's story is the ledger's, and the table
"""
