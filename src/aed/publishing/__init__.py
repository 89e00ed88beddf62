"""What leaves the register: files to take away, OGC API Features, vector tiles. All with the viewer's rights.

It stands above interchange, whose columns and cells its files are made of.
"""
