"""How fast the lookup is, as ratios to what it cannot do without. `make bench`; never part of the tests."""
