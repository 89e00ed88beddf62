"""Find trainers, record their grades, and require valid ones."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from aed.accounts.people import actions as people_actions
from aed.accounts.permissions import Viewer
from aed.database.types import require_version
from aed.errors import Conflict, InvalidInput, NotFound
from aed.issuers import queries as issuer_queries
from aed.registry.changes import flush_or_conflict, record_amendment, record_creation, record_note
from aed.training.models import TrainerGrade, TrainingSession
from aed.training.trainers import queries
from aed.training.trainers.queries import trainers
from aed.training.trainers.schemas import TrainerGradeIn, TrainerIn


def find_trainer(
    session: Session, given: TrainerIn | None, *, estate_id: int | None, region_id: int | None
) -> int | None:
    """Return the id of the trainer; None without one.

    A name without a phone number is that of a person who trains there, if there is one; otherwise the person
    is added. Raises Conflict if several have that name.
    """
    if given is None:
        return None
    if given.phone is None and region_id is not None:
        known = [
            each
            for each in trainers(session, estate_id=estate_id, region_id=region_id)
            if each.name.casefold() == given.name.casefold()
        ]
        if len(known) > 1:
            raise Conflict(
                "Several trainers are called {name}. Add the phone number.", field="trainer", name=given.name
            )
        if known:
            return known[0].id
    return people_actions.find_or_add_person(session, name=given.name, phone=given.phone).id


def require_valid_grade(session: Session, training: TrainingSession) -> None:
    """Raise Conflict if the issuer of the course demands a trainer's grade and it is not valid on the day.

    The course, estate and region of the session must be loaded.
    """
    rule = queries.grade_rules(session, [training.id]).get(training.id)
    if rule is None or not rule.is_required:
        return
    held_on = training.ends_at.astimezone(ZoneInfo(training.time_zone)).date()
    if rule.valid_until is None:
        raise Conflict(
            "The issuer of this course demands a trainer with a grade, and none is recorded. Choose another "
            "trainer, or record the grade first.",
            field="trainer",
        )
    if rule.valid_until < held_on:
        raise Conflict(
            "The trainer's grade is valid until {valid_until} only, and the issuer demands a valid one. "
            "Choose another trainer, or record the new grade first.",
            field="trainer",
            valid_until=rule.valid_until,
        )


def record_grade(
    session: Session, who: Viewer, issuer_id: int, new: TrainerGradeIn, *, at: datetime
) -> TrainerGrade:
    """Record or renew the grade of a trainer. Repeating it changes nothing.

    Raises NotFound, NotSignedIn, NotAllowed; InvalidInput for a trainer of an issuer without a region who is
    given without a phone number.
    """
    issuer = issuer_queries.issuer(session, issuer_id)
    issuer_queries.require_manages_issuer(who, issuer.region_id)
    if issuer.region_id is None and new.trainer.phone is None:
        raise InvalidInput("Give the phone number of the trainer.", field="trainer.phone")
    person_id = find_trainer(session, new.trainer, estate_id=None, region_id=issuer.region_id)
    assert person_id is not None
    found = queries.grade_of(session, issuer.id, person_id)
    taken = "The grade of this trainer is being recorded by someone else. Read it again."
    if found is None:
        found = TrainerGrade(issuer_id=issuer.id, person_id=person_id)
        found.grade, found.valid_until = new.grade, new.valid_until
        session.add(found)
        flush_or_conflict(session, taken, None)
        record_creation(session, who, found, at=at)
    else:
        found.grade, found.valid_until = new.grade, new.valid_until
        record_amendment(session, who, found, at=at)
        flush_or_conflict(session, taken, None)
    session.refresh(found, ["person"])
    return found


def remove_grade(
    session: Session, who: Viewer, issuer_id: int, person_id: int, *, version: int, at: datetime
) -> None:
    """Remove the grade of a trainer. Raises NotFound, NotSignedIn, NotAllowed, ChangedMeanwhile."""
    issuer = issuer_queries.issuer(session, issuer_id)
    issuer_queries.require_manages_issuer(who, issuer.region_id)
    found = queries.grade_of(session, issuer.id, person_id)
    if found is None:
        raise NotFound(
            "This issuer has no grade of the person {person_id}.", field="person_id", person_id=person_id
        )
    require_version(found, version)
    record_note(session, who, found, {"grade": [found.grade, None]}, at=at)
    session.delete(found)
    flush_or_conflict(session, "The grade cannot be removed.", None)
