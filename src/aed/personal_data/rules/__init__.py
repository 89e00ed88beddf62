"""Which data is personal: how a row belongs to a person, what they see, and how it is erased.

personal_tables.py   all tables with rows that belong to people; those of each context are in its file
references.py        columns that refer to people or rows of theirs, and are no entry of their own
erasure.py           what an entry says, and how values are masked
"""
