"""Tables of moves: estates imported from another cell, their rows, and where released devices went."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.types import Table


class ImportedEstate(Table):
    """An estate that came from another cell."""

    __tablename__ = "imported_estates"

    cell: Mapped[str] = mapped_column(String(20), primary_key=True)
    """The code of the cell that it came from."""
    number_there: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    estate_id: Mapped[int] = mapped_column(ForeignKey("estates.id"), index=True)
    exported_at: Mapped[datetime]
    imported_at: Mapped[datetime]
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the rows of the file."""


class ImportedRow(Table):
    """A row that came with an estate: its number there and here."""

    __tablename__ = "imported_rows"

    cell: Mapped[str] = mapped_column(String(20), primary_key=True)
    table_name: Mapped[str] = mapped_column(String(64), primary_key=True)
    number_there: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    number_here: Mapped[int] = mapped_column(BigInteger)
    estate_there: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the row as it came, so that a later export changes only what has changed there."""
    version: Mapped[int | None]
    """The version after the import; another one shows that it was changed here since."""


class MovedDevice(Table):
    """A device that another cell has taken over. Its label here leads there."""

    __tablename__ = "moved_devices"

    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"), primary_key=True, autoincrement=False)
    cell: Mapped[str] = mapped_column(String(20))
    number_there: Mapped[int] = mapped_column(BigInteger)
    moved_at: Mapped[datetime]
