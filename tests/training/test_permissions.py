"""Permissions in training, by role."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role, Viewer
from aed.accounts.viewers import viewer_of_person
from aed.errors import NotAllowed, NotFound
from aed.registry.estates.models import Estate
from aed.training import queries as session_queries
from aed.training.enrolments import queries as enrolment_queries
from aed.training.models import TrainingSession
from aed.training.permissions import runs_training
from tests import make
from tests.make import ADMINISTRATOR


def holding(session: Session, *held: Role, estate: Estate, region: str | None = None) -> Viewer:
    """Return a new person with these roles on the estate, or on a region."""
    person = make.person(session)
    for role in held:
        if region is None:
            make.role(session, person, role, estate=estate)
        else:
            make.role(session, person, role, region=make.region(session, region))
    session.flush()
    return viewer_of_person(session, person.id)


def names(session: Session, who: Viewer, training: TrainingSession) -> list[str]:
    return [row.name for row in enrolment_queries.roster(session, who, training.id)]


@pytest.mark.parametrize(
    ("role", "runs", "sees"),
    [
        (Role.RESIDENT, False, []),
        (Role.RESPONDER, False, []),
        (Role.KEEPER, False, []),
        (Role.LEAD, False, ["of here"]),
        (Role.ESTATE_MANAGER, True, ["of here", "of there"]),
        (Role.TRAINING_OFFICER, True, ["of here", "of there"]),
    ],
)
def test_only_those_who_run_the_training_of_an_estate_see_its_people(
    session: Session, role: Role, runs: bool, sees: list[str]
) -> None:
    here, there = make.estate(session), make.estate(session)
    training = make.training(session, estate=here, audience="public")
    make.enrolment(session, training, "of here")
    make.enrolment(session, training, "of there", estate_id=there.id)
    who = holding(session, role, estate=here)

    assert runs_training(who, here.id, here.region_id) is runs
    assert runs_training(who, there.id, there.region_id) is False
    assert runs_training(who, None, here.region_id) is False
    assert names(session, who, training) == sees


@pytest.mark.parametrize(
    ("role", "in_the_street"), [(Role.TRAINING_OFFICER, True), (Role.ESTATE_MANAGER, False)]
)
def test_a_role_in_a_region_covers_its_estates(session: Session, role: Role, in_the_street: bool) -> None:
    here = make.estate(session, in_region="CN-33")
    elsewhere = make.estate(session, in_region="CN-44")
    training, far = make.training(session, estate=here), make.training(session, estate=elsewhere)
    make.enrolment(session, training, "of here")
    who = holding(session, role, estate=here, region="CN-33")

    assert runs_training(who, here.id, here.region_id)
    assert not runs_training(who, elsewhere.id, elsewhere.region_id)
    assert runs_training(who, None, here.region_id) is in_the_street
    assert names(session, who, training) == ["of here"]
    assert session_queries.training_session(session, who, training.id).id == training.id
    with pytest.raises(NotFound):
        session_queries.training_session(session, who, far.id)
    assert make.enrolment(session, training, "sent", who=who, estate_id=here.id).estate_id == here.id


def test_people_enrol_only_themselves(session: Session) -> None:
    here = make.estate(session)
    training = make.training(session, estate=here)
    who = holding(session, Role.RESIDENT, estate=here)
    person = session.get_one(Person, who.person_id)

    mine = make.enrolment(session, training, person.name, who=who, phone=person.phone)
    with pytest.raises(NotAllowed, match="may enrol others"):
        make.enrolment(session, training, "Somebody else", who=who)

    assert (mine.person_id, mine.estate_id) == (person.id, here.id)
    assert names(session, who, training) == [person.name]
    make.enrolment(session, training, "Somebody else")
    assert names(session, who, training) == [person.name], "no other name is shown"
    assert len(names(session, ADMINISTRATOR, training)) == 2


def test_a_lead_enrols_only_people_of_their_own_estate(session: Session) -> None:
    here, there = make.estate(session), make.estate(session)
    training = make.training(session, estate=there, audience="public")
    lead = holding(session, Role.LEAD, estate=here)

    sent = make.enrolment(session, training, "of here", who=lead, estate_id=here.id)
    with pytest.raises(NotAllowed):
        make.enrolment(session, training, "of there", who=lead, estate_id=there.id)
    assert names(session, lead, training) == ["of here"]
    assert sent.estate_id == here.id
