"""Previews that were made, each with its inputs, so that it can be made again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.types import BigIntId, Table


class CoveragePreview(Table):
    """A preview of one proposed step. It is never changed."""

    __tablename__ = "coverage_previews"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    estate_id: Mapped[int] = mapped_column(ForeignKey("estates.id"), index=True)
    made_at: Mapped[datetime]
    inputs_hash: Mapped[str] = mapped_column(String(64))
    """SHA-256 of `inputs` as canonical JSON: the same inputs have the same hash and the same result."""
    inputs: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any]]
