"""Registry, lookup and upkeep of a network of defibrillators and first-aiders."""

__version__ = "0.1.0"
