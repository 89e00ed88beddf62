"""Taking and keeping the right to act, and recording runs.

lease.py  one worker at a time
runs.py   each due moment once
"""
