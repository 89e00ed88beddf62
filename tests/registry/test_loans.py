"""Loans: a spare device stands in for one that is away, and both are as before once it is returned."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of
from tests.registry.conftest import Desk

from aed.accounts.people.models import Person
from aed.accounts.permissions import ANYONE, Role
from aed.database.geometry import position_of
from aed.errors import ChangedMeanwhile, Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.imports.devices.decisions import merge_two_devices
from aed.registry.changes import RegistryChange
from aed.registry.devices import loans
from aed.registry.devices import queries as device_queries
from aed.registry.devices.actions import amend_device, withdraw_device
from aed.registry.devices.cabinet_codes import cabinet_code, set_cabinet_code
from aed.registry.devices.corrections import amend_from_check
from aed.registry.devices.lists import ImportedDevice, save_devices
from aed.registry.devices.loans import LoanAmend, LoanIn
from aed.registry.devices.models import Device, Loan
from aed.registry.devices.rules import AWAY, DeviceState
from aed.registry.devices.schemas import DeviceAmend, DeviceIn
from aed.registry.estates.models import Estate
from aed.upkeep.device_filter import DeviceFilter
from aed.upkeep.due.queries import duties, is_due_before
from aed.upkeep.faults.actions import begin_quarantines
from aed.upkeep.rules import DueKind, QuarantineReason

PLACE, STORE = east_of(PATIENT, metres=60), east_of(PATIENT, metres=300)
TODAY = date(2026, 9, 22)
UNTIL = TODAY + timedelta(days=30)
DAY = timedelta(days=1)


@pytest.fixture
def estate(session: Session) -> Estate:
    return make.estate(session)


@pytest.fixture
def lobby(session: Session, estate: Estate) -> Device:
    return make.device(
        session,
        at=PLACE,
        of=estate,
        place_zh="大堂",
        floor=2,
        opening_hours="24/7",
        cabinet="alarmed",
        keeper={"name": "Wang", "phone": "+86 571 0000 0001"},
    )


@pytest.fixture
def spare(session: Session, estate: Estate) -> Device:
    return make.device(
        session,
        at=STORE,
        of=estate,
        audience="estate",
        place_zh="仓库",
        state="out_of_service",
        out_of_service_reason="备用",
    )


def lend(session: Session, away: Device, loaner: Device, *, who: Any = ADMINISTRATOR, **given: Any) -> Loan:
    session.flush()
    session.expire_all()
    new = {"loaner_id": loaner.id, "due_back_on": UNTIL, "reason": "Sent in for repair"} | given
    return loans.lend_device(session, who, away.id, LoanIn.model_validate(new), at=NOW)


def give_back(session: Session, device: Device, *, version: int | None = None) -> Loan:
    found = loans.loan_of(session, ADMINISTRATOR, device.id)
    assert found is not None
    return loans.return_loaner(
        session, ADMINISTRATOR, device.id, version=version or found.version, at=NOW + DAY
    )


def fields(session: Session, device: Device) -> dict[str, Any]:
    """Return what is stored of a device, but for its version."""
    session.flush()
    session.expire_all()
    found = device_queries.device(session, ADMINISTRATOR, device.id)
    left_out = ("version", "position", "origins")
    values = {
        each.key: getattr(found, each.key) for each in Device.__table__.columns if each.key not in left_out
    }
    here = position_of(found.position)
    return values | {"lat": round(here.lat, 7), "lon": round(here.lon, 7)}


def lookup(client: TestClient) -> str:
    answer = client.get("/v1/nearest", params={"lat": PATIENT.lat, "lon": PATIENT.lon})
    assert answer.status_code == 200, answer.text
    return answer.text


def nearest(client: TestClient) -> list[int]:
    return [each["id"] for each in json.loads(lookup(client))["devices"]]


def test_only_those_who_keep_both_devices_lend(
    session: Session, estate: Estate, lobby: Device, spare: Device
) -> None:
    stranger = make.person_with_role(session, Role.KEEPER, estate=make.estate(session))
    keeper = make.person_with_role(session, Role.KEEPER, estate=estate)

    with pytest.raises(NotSignedIn):
        lend(session, lobby, spare, who=ANYONE)
    with pytest.raises((NotAllowed, NotFound)):
        lend(session, lobby, spare, who=stranger)
    with pytest.raises(NotSignedIn):
        loans.loan_of(session, ANYONE, lobby.id)
    assert lend(session, lobby, spare, who=keeper).lent_by == keeper.name


def test_the_loaner_takes_the_place_over_and_both_are_as_before_once_it_is_returned(
    session: Session, lobby: Device, spare: Device
) -> None:
    before = fields(session, lobby), fields(session, spare)

    lend(session, lobby, spare)
    away, loaner = fields(session, lobby), fields(session, spare)
    taken = {*loans.PLACE_FIELDS, "keeper_id"} - {"position"}
    assert {each: loaner[each] for each in taken} == {each: before[0][each] for each in taken}
    assert (loaner["lat"], loaner["lon"]) == (before[0]["lat"], before[0]["lon"])
    assert (loaner["state"], loaner["stands_in_for_id"]) == (DeviceState.IN_SERVICE, lobby.id)
    assert (away["state"], away["out_of_service_reason"]) == (DeviceState.OUT_OF_SERVICE, AWAY)
    assert away["loaner_id"] == spare.id

    give_back(session, spare)
    assert (fields(session, lobby), fields(session, spare)) == before
    session.commit()
    subjects = [(each.subject, each.subject_id) for each in make.changes(session, "loans")]
    assert len(subjects) == 2, "lent and returned"


def test_the_lookup_finds_the_loaner_where_the_device_that_is_away_was(
    session: Session, client: TestClient, lobby: Device, spare: Device
) -> None:
    make.device(session, at=east_of(PATIENT, metres=200))
    session.commit()
    assert nearest(client)[0] == lobby.id

    lend(session, lobby, spare)
    session.commit()
    assert nearest(client)[0] == spare.id
    assert str(lobby.id) not in re.findall(r'"id":(\d+)', lookup(client)), "nor as one that is out of service"

    give_back(session, lobby)
    session.commit()
    assert nearest(client)[0] == lobby.id
    assert spare.id not in nearest(client)


def test_a_device_takes_part_in_one_loan_at_a_time(
    session: Session, estate: Estate, lobby: Device, spare: Device
) -> None:
    given: dict[str, Any] = {"of": estate, "state": "out_of_service", "out_of_service_reason": "备用"}
    other, gym = make.device(session, **given), make.device(session, of=estate)
    lend(session, lobby, spare)

    for away, loaner in ((lobby, other), (gym, spare), (spare, other), (gym, lobby)):
        with pytest.raises(Conflict):
            lend(session, away, loaner)
    with pytest.raises(InvalidInput, match="itself"):
        lend(session, gym, gym)
    assert len(session.scalars(select(Loan)).all()) == 1


def test_only_a_usable_spare_of_the_region_stands_in(
    session: Session, estate: Estate, lobby: Device, spare: Device
) -> None:
    out: dict[str, Any] = {"state": "out_of_service", "out_of_service_reason": "备用"}
    in_service = make.device(session, of=estate)
    expired = make.device(session, of=estate, pads_expire_on=TODAY - DAY, **out)
    elsewhere = make.device(session, in_region="CN-31", **out)
    quarantined = make.device(session, of=estate, **out)
    begin_quarantines(
        session, ADMINISTRATOR, _read(session, quarantined), [QuarantineReason.FAILED_CHECK], at=NOW
    )

    for loaner in (in_service, expired, elsewhere, quarantined):
        with pytest.raises(Conflict) as refused:
            lend(session, lobby, loaner)
        assert refused.value.field == "loaner_id"
    with pytest.raises(InvalidInput, match="today"):
        lend(session, lobby, spare, due_back_on=TODAY - DAY)
    with pytest.raises(NotFound) as unknown:
        lend(session, lobby, spare, loaner_id=999_999)
    assert unknown.value.field == "loaner_id"


def _read(session: Session, device: Device) -> Device:
    session.flush()
    return device_queries.device(session, ADMINISTRATOR, device.id, for_update=True)


def test_a_passed_check_of_the_device_that_is_away_does_not_put_it_in_service_before_its_return(
    session: Session, lobby: Device, spare: Device
) -> None:
    begin_quarantines(
        session, ADMINISTRATOR, _read(session, lobby), [QuarantineReason.FAILED_CHECK], at=NOW - DAY
    )
    lend(session, lobby, spare)
    make.check(session, _read(session, lobby), at=NOW + DAY)
    assert (lobby.is_quarantined, lobby.state) == (False, DeviceState.OUT_OF_SERVICE)

    give_back(session, lobby)
    assert lobby.state is DeviceState.IN_SERVICE


def test_a_device_that_was_quarantined_before_the_loan_is_so_afterwards(
    session: Session, lobby: Device, spare: Device
) -> None:
    begin_quarantines(session, ADMINISTRATOR, _read(session, lobby), [QuarantineReason.FAILED_CHECK], at=NOW)
    reason = lobby.out_of_service_reason
    lend(session, lobby, spare)
    give_back(session, lobby)

    assert (lobby.is_quarantined, lobby.out_of_service_reason) == (True, reason)


def test_a_loaner_that_fails_is_a_spare_again_once_it_was_returned_and_passed_a_check(
    session: Session, lobby: Device, spare: Device
) -> None:
    lend(session, lobby, spare)
    begin_quarantines(session, ADMINISTRATOR, _read(session, spare), [QuarantineReason.FAILED_CHECK], at=NOW)
    give_back(session, lobby)
    assert (spare.is_quarantined, position_of(spare.position)) == (True, STORE)

    make.check(session, _read(session, spare), at=NOW + 2 * DAY)
    assert (spare.state, spare.out_of_service_reason) == (DeviceState.OUT_OF_SERVICE, "备用")


def test_a_place_is_amended_at_the_device_that_is_away_and_its_loaner_follows(
    session: Session, lobby: Device, spare: Device
) -> None:
    lend(session, lobby, spare)
    moved = DeviceAmend(place_zh="大堂东侧", opening_hours="Mo-Su 08:00-20:00")

    with pytest.raises(Conflict, match="stands in for"):
        amend_device(session, ADMINISTRATOR, spare.id, moved, version=spare.version, at=NOW)
    back = DeviceAmend(state=DeviceState.IN_SERVICE)
    with pytest.raises(Conflict, match="Return the loaner"):
        amend_device(session, ADMINISTRATOR, lobby.id, back, version=lobby.version, at=NOW)
    amend_device(session, ADMINISTRATOR, lobby.id, moved, version=lobby.version, at=NOW)
    assert (spare.place_zh, spare.opening_hours) == ("大堂东侧", "Mo-Su 08:00-20:00")

    amend_from_check(session, ADMINISTRATOR, _read(session, spare), DeviceAmend(floor=5), at=NOW)
    assert (spare.floor, lobby.floor) == (5, 5)
    set_cabinet_code(session, ADMINISTRATOR, spare.id, "4711#", at=NOW)
    codes = [cabinet_code(session, each.id) for each in (lobby, spare)]
    assert [each.code if each is not None else None for each in codes] == ["4711#", "4711#"]
    give_back(session, lobby)
    assert cabinet_code(session, spare.id) is None
    assert (lobby.floor, spare.floor) == (5, 0)


def test_a_list_moves_neither_a_loaner_nor_puts_the_other_in_service(
    session: Session, lobby: Device, spare: Device
) -> None:
    lend(session, lobby, spare)
    listed = [
        ImportedDevice(
            DeviceIn.model_validate(
                {
                    "source": device.source,
                    "source_id": device.source_id,
                    "position": {"lat": at.lat, "lon": at.lon},
                    "state": "in_service",
                    **given,
                }
            ),
            expiry={},
            device_id=device.id,
        )
        for device, at, given in (
            (spare, STORE, {"serial": "S-9"}),
            (lobby, PLACE, {"place_zh": "门厅"}),
        )
    ]
    save_devices(session, ADMINISTRATOR, listed, at=NOW)

    assert (position_of(spare.position), spare.serial, spare.place_zh) == (PLACE, "S-9", "门厅")
    assert (lobby.state, lobby.out_of_service_reason) == (DeviceState.OUT_OF_SERVICE, AWAY)


@pytest.mark.parametrize("merges", [False, True])
@pytest.mark.parametrize("is_away", [True, False])
def test_withdrawing_or_merging_either_device_ends_the_loan(
    session: Session, lobby: Device, spare: Device, *, is_away: bool, merges: bool
) -> None:
    kept = make.device(session, at=PLACE)
    lend(session, lobby, spare)
    gone, other = (lobby, spare) if is_away else (spare, lobby)

    if merges:
        merge_two_devices(session, ADMINISTRATOR, kept.id, gone.id, at=NOW + DAY)
    else:
        withdraw_device(session, ADMINISTRATOR, gone.id, version=gone.version, at=NOW + DAY)
    session.expire_all()
    assert gone.state is DeviceState.WITHDRAWN
    assert other.state is (DeviceState.OUT_OF_SERVICE if is_away else DeviceState.IN_SERVICE)
    assert (lobby.loaner_id, spare.stands_in_for_id) == (None, None)
    assert session.scalars(select(Loan.returned_at)).one() == NOW + DAY


def test_a_loaner_whose_former_keeper_was_erased_gets_no_keeper_back(
    session: Session, estate: Estate, lobby: Device
) -> None:
    keeper = {"name": "Li", "phone": "+86 571 0000 0002"}
    out: dict[str, Any] = {"state": "out_of_service", "out_of_service_reason": "备用"}
    spare = make.device(session, of=estate, keeper=keeper, **out)
    lend(session, lobby, spare)
    former = session.get_one(Person, session.scalars(select(Loan.loaner_keeper_id)).one())
    former.erased_at = NOW
    session.flush()

    give_back(session, lobby)
    assert spare.keeper_id is None


def test_the_return_of_a_loaner_is_due_on_the_last_day_of_the_loan(
    session: Session, estate: Estate, lobby: Device, spare: Device
) -> None:
    loan, last = lend(session, lobby, spare), TODAY + 3 * DAY
    with pytest.raises(ChangedMeanwhile):
        amend(session, lobby, last, version=loan.version + 1)
    amend(session, lobby, last, version=loan.version)

    found = duties(session, ADMINISTRATOR, DeviceFilter(), at=NOW, within_days=60, due_kinds=[DueKind.LOAN])
    assert [(each.device_id, each.due_on) for each in found.dues] == [(spare.id, last)]
    for day, is_due in ((last, False), (last + DAY, True)):
        late = is_due_before(session, day, estate_id=estate.id, time_zone="Asia/Shanghai", today=TODAY)
        assert session.scalar(select(late).where(Device.id == spare.id)) == is_due


def test_a_device_that_is_away_is_not_due_for_a_check_before_its_return(
    session: Session, estate: Estate, lobby: Device, spare: Device
) -> None:
    def due() -> set[int]:
        found = duties(
            session, ADMINISTRATOR, DeviceFilter(), at=NOW, within_days=60, due_kinds=[DueKind.CHECK]
        )
        return {each.device_id for each in found.dues}

    late = is_due_before(
        session, TODAY + 60 * DAY, estate_id=estate.id, time_zone="Asia/Shanghai", today=TODAY
    )
    lend(session, lobby, spare)
    assert due() == set(session.scalars(select(Device.id).where(late))) == {spare.id}

    give_back(session, lobby)
    assert lobby.id in due()


def amend(session: Session, device: Device, day: date, *, version: int) -> Loan:
    change = LoanAmend(due_back_on=day)
    return loans.amend_loan(session, ADMINISTRATOR, device.id, change, version=version, at=NOW)


def test_a_loan_over_http(office: Desk, nobody: Desk, session: Session, lobby: Device, spare: Device) -> None:
    session.commit()
    path = f"/v1/devices/{lobby.id}/loan"
    new = {"loaner_id": spare.id, "due_back_on": "2099-12-31", "reason": "Sent in for repair"}
    assert nobody.post(path, new).status_code == 401
    assert office.get(path).json() is None
    assert office.delete(path).status_code == 409

    made = office.post(path, new)
    assert (made.status_code, made.headers["location"]) == (201, path)
    assert office.post(path, new).status_code == 409
    shown = nobody.get(f"/v1/devices/{spare.id}").json()
    assert (shown["stands_in_for_id"], shown["place_zh"]) == (lobby.id, "大堂")
    later = office.patch(path, {"due_back_on": "2099-12-30"}, etag=made.headers["etag"])
    assert later.json()["due_back_on"] == "2099-12-30"
    assert office.delete(path, etag=made.headers["etag"]).status_code == 412
    assert office.delete(path, etag=later.headers["etag"]).status_code == 204
    assert nobody.get(f"/v1/devices/{lobby.id}").json()["state"] == "in_service"
    session.rollback()
    who = session.scalars(select(RegistryChange.who).where(RegistryChange.subject == "loans")).all()
    assert len(who) == 3
    assert len(set(who)) == 1
