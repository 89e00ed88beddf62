"""What a walk was measured on."""

from __future__ import annotations

from enum import StrEnum


class Basis(StrEnum):
    WALKING_NETWORK = "walking_network"
    STRAIGHT_LINE = "straight_line"
