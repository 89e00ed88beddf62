"""The basis of a walking distance."""

from __future__ import annotations

from enum import StrEnum


class Basis(StrEnum):
    WALKING_NETWORK = "walking_network"
    STRAIGHT_LINE = "straight_line"
