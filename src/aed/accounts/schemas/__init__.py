"""What crosses the boundary: fields.py (kinds of values), regions.py, people.py, sign_in.py."""

from __future__ import annotations

from aed.accounts.schemas.fields import Code, Id, Name, Phone, TimeZone, Words
from aed.accounts.schemas.regions import RegionIn, RegionOut

__all__ = ["Code", "Id", "Name", "Phone", "RegionIn", "RegionOut", "TimeZone", "Words"]
