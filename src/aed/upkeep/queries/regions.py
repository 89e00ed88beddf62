"""Devices of a region."""

from __future__ import annotations

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from aed.accounts.queries.regions import region_by_code, regions_below
from aed.registry.models import Device


def in_region(session: Session, code: str) -> ColumnElement[bool]:
    """Whether a device lies in the region or in one below it. Raises NotFound for no such code."""
    return Device.region_id.in_(regions_below(session, region_by_code(session, code).id))
