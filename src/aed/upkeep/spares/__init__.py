"""Spare pads, batteries and cartridges of estates: lots, reorder points, what came in and went out."""
