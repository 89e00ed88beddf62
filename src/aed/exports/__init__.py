"""What leaves the register: files to take away, OGC API Features, vector tiles. All with the viewer's rights.

It builds on imports, whose columns and cells its files are made of.
"""
