"""The person's own data: what is held, as a file; and erasing it.

rules.py    table by table: how a row is somebody's, and what becomes of it
"""
