"""How many of those who were asked came, counted."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.session import Table, stored_by_value
from aed.incidents.rules.show_up import TimeOfDay


class ShowUpCount(Table):
    """People of a region's real calls at a time of day; counted anew each night from the alerts."""

    __tablename__ = "show_up_counts"
    __table_args__ = (CheckConstraint("there <= due AND due <= accepted AND seen <= asked", name="in_order"),)

    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), primary_key=True, autoincrement=False)
    time_of_day: Mapped[TimeOfDay] = mapped_column(stored_by_value(TimeOfDay), primary_key=True)
    asked: Mapped[int]
    seen: Mapped[int]
    accepted: Mapped[int]
    due: Mapped[int]
    there: Mapped[int]
