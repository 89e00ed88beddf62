"""How a row belongs to a person, and what happens to it when their data is erased."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

KEEPER: Final = ("keeper_name", "keeper_phone")


class Erasure(StrEnum):
    """What happens to the rows when the person's data is erased."""

    DELETED = "deleted"
    BLANKED = "blanked"
    """The row stays; columns that identify the person are blanked."""
    KEPT = "kept"
    """The row stays unchanged: nothing in it identifies the person."""


@dataclass(frozen=True, slots=True)
class PersonalTable:
    """A table with rows that belong to people.

    A row belongs to a person if `by` or a column of `also_by` refers to the person, or to a row of the table
    `through` that belongs to the person.
    """

    table: str
    by: str
    erasure: Erasure
    reason: str
    """Why the data is kept, in words for the person."""
    through: str | None = None
    also_by: tuple[str, ...] = ()
    blank: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    """New values of columns on erasure; `MASKED` keeps the beginning of the old value."""
    hidden: tuple[str, ...] = ()
    """Columns that are never shown: hashes of secrets, and photos, which have routes of their own."""
    shown: tuple[str, ...] | None = None
    """The columns about the person, in a row about something else; None means all columns."""


MASKED: Final = object()


def masked_number(number: str, row_id: int) -> str:
    """Return a masked certificate number that matches no certificate and is unique to the row."""
    return f"{number[:3]}***{row_id}"


def without_keeper(value: object, *, name: str, is_phone: Callable[[str], bool]) -> object:
    """Return the content of a list without the keeper of that name whose number satisfies `is_phone`.

    A keeper of the same name with a different number stays.
    """
    if isinstance(value, Mapping):
        phone = value.get("keeper_phone")
        is_theirs = value.get("keeper_name") == name and (phone is None or is_phone(phone))
        return {
            key: without_keeper(each, name=name, is_phone=is_phone)
            for key, each in value.items()
            if not (is_theirs and key in KEEPER)
        }
    if isinstance(value, list):
        return [without_keeper(each, name=name, is_phone=is_phone) for each in value]
    return value
