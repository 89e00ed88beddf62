"""A simulated year of a network with a moved clock; every event goes through the program itself.

`python -m tests.year` runs 1,200 estates with 12,000 devices, and 60 with agreements, and prints a table;
`tests/upkeep/test_year.py` and `tests/sharing/test_year.py` run small networks on both databases.

world.py   the network on its first day
ledger.py  what happened, recorded independently of the program, and its expected consequences
people.py  what people do: check, replace, use, lose and report devices, and answer reminders
run.py     each day: scheduled jobs in the morning, lookups at noon, people in the afternoon
agreements.py   a year of agreements beside it: what is offered to whom, compared with a book of its own
story.py   comparison of the program's data with the ledger, and the table
"""
