"""The states of an estate."""

from __future__ import annotations

from enum import StrEnum


class EstateState(StrEnum):
    STANDING = "standing"
    WITHDRAWN = "withdrawn"
