"""The lookup as the domain means it, on both databases."""

from __future__ import annotations

from sqlalchemy.orm import Session

from aed.accounts.rules import ANYONE, Viewer
from aed.incidents.queries.nearest import Answer, Question, nearest
from aed.settings import Settings
from tests import make
from tests.make import NOW, PATIENT, east_of, north_of


def ask(session: Session, settings: Settings, viewer: Viewer = ANYONE, **given: object) -> Answer:
    session.commit()
    question = Question(**{"here": PATIENT, "at": NOW, **given})  # type: ignore[arg-type] # a test's keywords
    return nearest(session.connection(), viewer, question, network=None, settings=settings)


def test_a_stranger_is_told_of_public_devices_only(session: Session, settings: Settings) -> None:
    estate = make.estate(session)
    make.device(session, of=estate, audience="estate")
    public = make.device(session, at=north_of(PATIENT, metres=150), of=estate)

    answer = ask(session, settings)

    assert [near.row.id for near in answer.devices] == [public.id]
    assert answer.responders is None


def test_the_nearer_of_two_devices_comes_first(session: Session, settings: Settings) -> None:
    far = make.device(session, at=east_of(PATIENT, metres=400))
    near = make.device(session, at=north_of(PATIENT, metres=100))

    assert [found.row.id for found in ask(session, settings).devices] == [near.id, far.id]
