"""Personal data: export what is stored about a person, and erase it.

rules.py    for each table: how a row belongs to a person, and what happens to it on erasure
"""
