"""Buildings as a map or a list has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aed.accounts.rules import Viewer, may_administer
from aed.database.bulk import in_array
from aed.database.geometry import point, position_of
from aed.geo import Position
from aed.registry.actions.record import Outcome
from aed.registry.models import Building


@dataclass(frozen=True, slots=True)
class BuildingGiven:
    source: str
    source_id: str
    estate_id: int
    name_en: str
    name_zh: str
    floors: int | None
    position: Position


def put_buildings(session: Session, who: Viewer, given: Sequence[BuildingGiven]) -> list[Outcome]:
    """Each source's buildings are as given: added, amended, or left alone; in few statements for many.

    visibility: an administrator's.
    """
    may_administer(who)
    wanted: dict[str, list[str]] = defaultdict(list)
    for each in given:
        wanted[each.source].append(each.source_id)
    known = {
        (row.source, row.source_id): row
        for source, source_ids in wanted.items()
        for row in session.scalars(
            select(Building).where(
                Building.source == source, in_array(session, Building.source_id, source_ids)
            )
        )
    }
    outcomes = []
    for each in given:
        found = known.get((each.source, each.source_id))
        is_new = found is None
        if found is None:
            found = Building(source=each.source, source_id=each.source_id, position=point(each.position))
            session.add(found)
        for name in ("estate_id", "name_en", "name_zh", "floors"):
            setattr(found, name, getattr(each, name))
        if position_of(found.position) != each.position:
            found.position = point(each.position)
        has_changed = is_new or session.is_modified(found)
        outcomes.append(Outcome.of(is_new if has_changed else None))
    session.flush()
    return outcomes


def forget_buildings(
    session: Session, who: Viewer, *, source: str, of_estates: Iterable[int], but: Collection[str]
) -> int:
    """The source's buildings in these estates are gone, but those named; how many were.

    visibility: an administrator's.
    """
    may_administer(who)
    standing = session.execute(
        select(Building.id, Building.source_id).where(
            Building.source == source, Building.estate_id.in_(sorted(set(of_estates)))
        )
    )
    gone = [row.id for row in standing if row.source_id not in but]
    if gone:
        session.execute(delete(Building).where(Building.id.in_(gone)))
    return len(gone)
