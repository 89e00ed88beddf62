"""Save, find, rename and delete mappings of lists."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role, Viewer
from aed.accounts.regions.models import Region
from aed.errors import ChangedMeanwhile, Conflict, InvalidInput, NotAllowed, NotFound
from aed.imports.devices.permissions import can_import_to, require_importer
from aed.imports.formats.guess import mapping_text
from aed.imports.formats.guessed_table import best_table
from aed.imports.formats.mapping import Mapping, mapping_from
from aed.imports.models import SavedMapping
from aed.registry.estates.models import Estate

MAX_NAME_LENGTH: Final = 60
MAX_SAVED: Final = 100
"""Maximum number of mappings of one estate, region or network."""


@dataclass(frozen=True, slots=True)
class MappingPlace:
    """The estate or region whose importers use a mapping; neither: the whole network."""

    estate_id: int | None
    region_id: int | None
    name_en: str
    name_zh: str

    @property
    def key(self) -> str:
        """The place as the value of a form's field."""
        if self.estate_id is not None:
            return f"estate:{self.estate_id}"
        return f"region:{self.region_id}" if self.region_id is not None else ""


NETWORK: Final = MappingPlace(None, None, "The whole network", "整个网络")


def places_of(session: Session, who: Viewer) -> list[MappingPlace]:
    """Return the places for which the viewer may save mappings.

    visibility: the estates and regions that the viewer manages.
    """
    require_importer(who)
    if who.is_administrator:
        return [NETWORK]
    held = [each for each in who.role_assignments if each.role in (Role.ESTATE_MANAGER, Role.ADMINISTRATOR)]
    estates = session.scalars(
        select(Estate)
        .where(Estate.id.in_([each.estate_id for each in held if each.estate_id is not None]))
        .order_by(Estate.id)
    )
    found = [MappingPlace(each.id, None, each.name_en, each.name_zh) for each in estates]
    regions = session.scalars(
        select(Region)
        .where(Region.id.in_([each.region_ids[0] for each in held if each.region_ids]))
        .order_by(Region.id)
    )
    return found + [MappingPlace(None, each.id, each.name_en, each.name_zh) for each in regions]


def saved_mappings(session: Session, who: Viewer) -> list[SavedMapping]:
    """Return the mappings that the viewer may use, by name.

    visibility: those of the whole network, and of the estates and regions for which the viewer imports.
    """
    require_importer(who)
    found = session.execute(
        select(SavedMapping, Estate.region_id)
        .outerjoin(Estate, SavedMapping.estate_id == Estate.id)
        .order_by(SavedMapping.name, SavedMapping.id)
    )
    return [saved for saved, region_id in found if _can_use(who, saved, region_id)]


def saved_mapping(session: Session, who: Viewer, mapping_id: int) -> SavedMapping:
    """Return a mapping that the viewer may use. Raises NotSignedIn, NotAllowed, NotFound.

    visibility: as `saved_mappings`.
    """
    found = next((each for each in saved_mappings(session, who) if each.id == mapping_id), None)
    if found is None:
        raise NotFound("There is no saved mapping {mapping_id}.", mapping_id=mapping_id)
    return found


def mapping_named(session: Session, who: Viewer, name: str) -> SavedMapping:
    """Return the mapping with a name. Raises NotFound with the names that there are, or Conflict.

    visibility: as `saved_mappings`.
    """
    found = saved_mappings(session, who)
    named = [each for each in found if each.name == _tidy(name)]
    if len(named) == 1:
        return named[0]
    if named:
        raise Conflict(
            "{count} saved mappings have the name {name}. Rename one.", count=len(named), name=name
        )
    raise NotFound(
        "There is no mapping file and no saved mapping {name}. Saved mappings: {names}.",
        field="mapping",
        name=name,
        names=", ".join(each.name for each in found[:20]) or "none",
    )


def mapping_for(session: Session, who: Viewer, path: Path) -> SavedMapping | None:
    """Return the saved mapping whose columns a list has; None if there is none, or if several fit.

    visibility: as `saved_mappings`.
    """
    saved = saved_mappings(session, who)
    try:
        header = best_table(path).header if saved else None
    except InvalidInput:
        return None
    if header is None:
        return None
    fitting = [each for each in saved if all(map(header.column, mapping_of(each).read_columns()))]
    return fitting[0] if len(fitting) == 1 else None


def mapping_of(saved: SavedMapping) -> Mapping:
    return mapping_from(saved.mapping, saved.name)


def save_mapping(
    session: Session, who: Viewer, mapping: Mapping, *, name: str, place: MappingPlace, at: datetime
) -> SavedMapping:
    """Save a mapping under a name, which is unique in its place.

    Raises NotAllowed, InvalidInput and Conflict.
    """
    if place.key not in {each.key for each in places_of(session, who)}:
        raise NotAllowed("You may save mappings only for the estates and regions that you manage.")
    tidy = _checked_name(session, name, place.estate_id, place.region_id)
    saved = SavedMapping(
        name=tidy,
        estate_id=place.estate_id,
        region_id=place.region_id,
        mapping=mapping_text(mapping),
        saved_at=at,
    )
    session.add(saved)
    session.flush()
    return saved


def rename_mapping(session: Session, who: Viewer, mapping_id: int, *, name: str, version: int) -> None:
    """Rename a mapping. Raises NotFound, NotAllowed, InvalidInput, Conflict, and ChangedMeanwhile."""
    saved = _own_mapping(session, who, mapping_id)
    if saved.version != version:
        raise ChangedMeanwhile("This mapping was renamed in another window. Look at it again.")
    if _tidy(name) == saved.name:
        return
    saved.name = _checked_name(session, name, saved.estate_id, saved.region_id)
    saved.version += 1
    session.flush()


def delete_mapping(session: Session, who: Viewer, mapping_id: int) -> None:
    """Delete a mapping; what was imported with it stays. Raises NotFound and NotAllowed."""
    session.delete(_own_mapping(session, who, mapping_id))
    session.flush()


def can_change(session: Session, who: Viewer, saved: SavedMapping) -> bool:
    """Return whether the viewer may rename and delete a mapping: that of the network only its administrators.

    visibility: the region of an estate whose mapping the viewer may use.
    """
    if saved.estate_id is None and saved.region_id is None:
        return who.is_administrator
    region_id = saved.region_id or session.get_one(Estate, saved.estate_id).region_id
    return can_import_to(who, estate_id=saved.estate_id, region_id=region_id)


def _own_mapping(session: Session, who: Viewer, mapping_id: int) -> SavedMapping:
    saved = saved_mapping(session, who, mapping_id)
    if not can_change(session, who, saved):
        raise NotAllowed("Only an administrator of the network may change this mapping.")
    return saved


def _can_use(who: Viewer, saved: SavedMapping, region_id: int | None) -> bool:
    if who.is_administrator or (saved.estate_id is None and saved.region_id is None):
        return True
    region = saved.region_id if saved.region_id is not None else region_id
    return region is not None and can_import_to(who, estate_id=saved.estate_id, region_id=region)


def _checked_name(session: Session, name: str, estate_id: int | None, region_id: int | None) -> str:
    """Return a name without needless spaces. Raises InvalidInput and Conflict.

    visibility: names of a place that the viewer manages.
    """
    tidy = _tidy(name)
    if not 1 <= len(tidy) <= MAX_NAME_LENGTH or any(unicodedata.category(sign)[0] == "C" for sign in tidy):
        raise InvalidInput(
            "The name must have 1 to {longest} characters, on one line.",
            field="name",
            longest=MAX_NAME_LENGTH,
        )
    others = list(
        session.scalars(
            select(SavedMapping.name).where(
                SavedMapping.estate_id.is_not_distinct_from(estate_id),
                SavedMapping.region_id.is_not_distinct_from(region_id),
            )
        )
    )
    if tidy in others:
        raise Conflict(
            "There is a saved mapping {name} already. Choose another name, or delete it.",
            field="name",
            name=tidy,
        )
    if len(others) >= MAX_SAVED:
        raise InvalidInput(
            "At most {most} mappings can be saved here. Delete one.", field="name", most=MAX_SAVED
        )
    return tidy


def _tidy(name: str) -> str:
    return re.sub(" +", " ", name).strip(" ")
