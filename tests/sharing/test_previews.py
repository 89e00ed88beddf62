"""Parties decide on what they saw: an agreement names a preview of its own step, and of no other."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from aed.errors import AedError, Conflict, InvalidInput
from aed.geo import Position
from aed.planning.coverage.actions import make_preview
from aed.planning.coverage.models import CoveragePreview
from aed.planning.coverage.schemas import StepIn
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.settings import Settings
from aed.sharing.agreements import actions, queries
from aed.sharing.decisions.actions import decide
from aed.sharing.decisions.schemas import PartyDecisionIn
from aed.sharing.models import Agreement
from aed.sharing.rules import DecisionKind, PartyRole
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of, north_of


@pytest.fixture
def estate(session: Session) -> Estate:
    return make.estate(session)


def of_estate(session: Session, estate: Estate, metres: float = 50) -> Device:
    return make.device(session, of=estate, audience="estate", at=north_of(PATIENT, metres=metres))


def preview(session: Session, estate: Estate, *devices: Device, **step: Any) -> CoveragePreview:
    make.building(session, estate, at=Position(devices[0].origin_lat, devices[0].origin_lon))
    fields = {"audience": "neighbours", "device_ids": [each.id for each in devices]} | step
    return make_preview(
        session,
        ADMINISTRATOR,
        estate.id,
        StepIn.model_validate(fields),
        network=None,
        settings=Settings(),
        at=NOW,
    )


def draft(session: Session, estate: Estate, *devices: Device, on: CoveragePreview, **given: Any) -> Agreement:
    named: dict[str, Any] = {"preview_id": on.id, "preview_hash": on.inputs_hash} | given
    return make.draft(session, estate, *devices, **named)


def consent(session: Session, to: Agreement, **given: Any) -> Agreement:
    party = queries.agreement(session, ADMINISTRATOR, to.id).parties[0]
    fields = {"kind": DecisionKind.CONSENT, "text_hash": to.text_hash} | given
    return decide(session, party, PartyDecisionIn.model_validate(fields), by="link:1", at=NOW)


def test_an_agreement_is_decided_on_the_preview_of_its_step(session: Session, estate: Estate) -> None:
    device = of_estate(session, estate)
    seen = preview(session, estate, device, hours="22:00-06:00")
    made = draft(session, estate, device, on=seen, share={"hours": "22:00-06:00"})

    with pytest.raises(Conflict, match="another preview"):
        consent(session, made, preview_hash="0" * 64)
    consent(session, made, preview_hash=seen.inputs_hash)
    make.consent(session, made, *(role for role in PartyRole if role is not PartyRole.PARTY_COMMITTEE))
    actions.confirm_agreement(session, ADMINISTRATOR, made.id, text_hash=made.text_hash, at=NOW)


@pytest.mark.parametrize(
    "given",
    [
        {"preview_id": 10**6},
        {"preview_hash": "0" * 64},
        {"share": {"step": "public"}},
        {"share": {"hours": "22:00-06:00"}},
    ],
    ids=["no such preview", "another hash", "another audience", "other hours"],
)
def test_a_preview_of_something_else_is_refused(
    session: Session, estate: Estate, given: dict[str, Any]
) -> None:
    device = of_estate(session, estate)
    seen = preview(session, estate, device)

    draft(session, estate, device, on=seen)
    with pytest.raises(InvalidInput):
        draft(session, estate, device, on=seen, **given)


def test_a_preview_of_other_devices_is_refused(session: Session, estate: Estate) -> None:
    one, two = of_estate(session, estate), of_estate(session, estate, metres=80)
    seen = preview(session, estate, one)

    for devices in ((two,), (one, two)):
        with pytest.raises(InvalidInput, match="another step"):
            draft(session, estate, *devices, on=seen)


def test_a_preview_of_another_estate_is_refused(session: Session, estate: Estate) -> None:
    device = of_estate(session, estate)
    other = make.estate(session, around=east_of(PATIENT, metres=900))
    theirs = make.device(session, of=other, audience="estate", at=east_of(PATIENT, metres=900))
    seen = preview(session, other, theirs)

    with pytest.raises(InvalidInput, match="not one of this estate"):
        draft(session, estate, device, on=seen)


def test_the_preview_is_compared_again_when_parties_decide(session: Session, estate: Estate) -> None:
    device = of_estate(session, estate)
    seen = preview(session, estate, device)
    made = draft(session, estate, device, on=seen)

    session.execute(update(CoveragePreview).values(inputs_hash="0" * 64))
    with pytest.raises(AedError, match="another hash"):
        consent(session, made)
    session.execute(delete(CoveragePreview))
    with pytest.raises(AedError, match="not one of this estate"):
        consent(session, made)
