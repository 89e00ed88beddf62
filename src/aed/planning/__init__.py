"""Where devices and opening hours do most: what opening buys, and where the next device belongs.

`coverage` previews one proposed step of an estate; `placement` ranks what to open, buy or move next. Both
count on the walking network with the arithmetic of the lookup (`walks`), and compare survival by two formulas
(`survival`), never as a prognosis.
"""
