"""The code with which the first administrator is added."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.types import BigIntId, Table


class FirstRunCode(Table):
    """The one-time code of a database without an administrator. There is at most one row."""

    __tablename__ = "first_run_codes"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"), CheckConstraint("tries >= 0", name="tries"))

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True, autoincrement=False)
    code_hash: Mapped[str] = mapped_column(String(64))
    """SHA-256: the code has 60 random bits, and few tries."""
    made_at: Mapped[datetime]
    tries: Mapped[int]
