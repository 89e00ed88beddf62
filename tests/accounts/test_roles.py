"""Roles: what each covers, who grants it, and that a revoked role is void from the next request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import ANYONE, Role, RoleAssignment, TokenRole, Viewer, can_grant_role
from aed.accounts.role_grants import RoleGrant
from aed.accounts.roles import actions as role_actions
from aed.accounts.roles import queries as role_queries
from aed.accounts.roles.schemas import RoleIn
from aed.accounts.viewers import viewer_of_person
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.registry.devices import queries as device_queries
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.models import Estate
from aed.registry.nearby import nearest_devices
from aed.responders.queries import nearest_places
from tests import make
from tests.accounts.conftest import Browser
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of, north_of

PASSWORD = "four words are enough"
type Browsers = Callable[[], Browser]


# --- scope ----------------------------------------------------------------------------------------------


def test_a_role_covers_its_estate_or_region_and_everything_below() -> None:
    of_an_estate = RoleAssignment(Role.ESTATE_MANAGER, estate_id=7)
    of_a_region = RoleAssignment(Role.ADMINISTRATOR, region_ids=(1, 2))
    everywhere = RoleAssignment(Role.ADMINISTRATOR)

    assert of_an_estate.covers(estate_id=7, region_id=1)
    assert not of_an_estate.covers(estate_id=8, region_id=1)
    assert not of_an_estate.covers(estate_id=None, region_id=1)
    assert of_a_region.covers(estate_id=8, region_id=2)
    assert of_a_region.covers(estate_id=None, region_id=1)
    assert not of_a_region.covers(estate_id=8, region_id=3)
    assert not of_a_region.covers(estate_id=None, region_id=None), "a region is not the network"
    assert everywhere.covers(estate_id=None, region_id=None)


def test_a_manager_grants_only_the_roles_of_resident_keeper_and_lead() -> None:
    manager = [RoleAssignment(Role.ESTATE_MANAGER, estate_id=7)]

    given = {role for role in Role if can_grant_role(manager, role, estate_id=7, region_id=1)}

    assert given == {Role.RESIDENT, Role.KEEPER, Role.LEAD}
    assert not any(can_grant_role(manager, role, estate_id=8, region_id=1) for role in Role)
    region_manager = [RoleAssignment(Role.ESTATE_MANAGER, region_ids=(1,))]
    assert can_grant_role(region_manager, Role.KEEPER, estate_id=8, region_id=1)
    assert not can_grant_role(region_manager, Role.KEEPER, estate_id=None, region_id=1)


def held(session: Session, *roles_on: tuple[Role, dict[str, Any]]) -> Viewer:
    """Return the viewer of a new person with these roles."""
    person = make.person(session)
    for role, place in roles_on:
        make.role(session, person, role, **place)
    return viewer_of_person(session, person.id)


def test_a_person_without_a_role_sees_what_everyone_sees(session: Session) -> None:
    estate = make.estate(session)
    public = make.device(session, of=estate)
    make.device(session, of=estate, at=north_of(PATIENT, metres=20), audience="estate")
    make.device(session, at=north_of(PATIENT, metres=40), audience="estate")  # belongs to no estate
    viewer = held(session)

    assert viewer.is_signed_in
    assert [row.id for row in device_queries.devices(session, viewer, limit=10)] == [public.id]
    assert estate_queries.estates(session, viewer, limit=10) == []


def test_a_person_sees_what_each_of_their_roles_sees(session: Session) -> None:
    """A resident of one estate, dispatcher in another region and keeper of a third estate's devices."""
    make.region(session, "CN-44")
    home = make.estate(session, in_region="CN-33")
    kept = make.estate(session, in_region="CN-33", around=east_of(PATIENT, metres=1_000))
    served = make.estate(session, in_region="CN-44", around=east_of(PATIENT, metres=2_000))
    stranger = make.estate(session, in_region="CN-33", around=east_of(PATIENT, metres=3_000))
    devices = [
        make.device(session, of=estate, at=east_of(PATIENT, metres=metres), audience="estate")
        for estate, metres in ((home, 0), (kept, 1_000), (served, 2_000), (stranger, 3_000))
    ]
    viewer = held(
        session,
        (Role.RESIDENT, {"estate": home}),
        (Role.KEEPER, {"estate": kept}),
        (Role.DISPATCHER, {"region": make.region(session, "CN-44")}),
    )

    assert viewer.role is TokenRole.DISPATCHER
    assert [row.id for row in device_queries.devices(session, viewer, limit=10)] == [
        each.id for each in devices[:3]
    ]
    assert [each.id for each in estate_queries.estates(session, viewer, limit=10)] == [
        home.id,
        kept.id,
        served.id,
    ]
    assert viewer.belongs_to(home.id)
    assert viewer.belongs_to(kept.id)
    assert not viewer.belongs_to(served.id)
    assert hash(viewer) == hash(viewer_of_person(session, viewer.person_id or 0))


def test_the_manager_of_a_region_sees_its_estates_but_not_devices_outside_estates(
    session: Session,
) -> None:
    make.region(session, "CN")
    make.region(session, "CN-33", parent="CN")
    estate = make.estate(session)
    in_it = make.device(session, of=estate, audience="estate")
    make.device(session, at=north_of(PATIENT, metres=50), audience="dispatch")

    viewer = held(session, (Role.ESTATE_MANAGER, {"region": make.region(session, "CN")}))

    assert [row.id for row in device_queries.devices(session, viewer, limit=10)] == [in_it.id]
    assert [each.id for each in estate_queries.estates(session, viewer, limit=10)] == [estate.id]
    assert not viewer.sees_responders


@pytest.mark.parametrize("kept", [nearest_devices, nearest_places])
def test_the_residents_of_an_estate_share_one_compiled_statement(session: Session, kept: Any) -> None:
    """Values cached by viewer depend only on fields that are equal for equal viewers."""
    estate = make.estate(session)
    other = make.estate(session, around=east_of(PATIENT, metres=2_000))
    one, two = (held(session, (Role.RESIDENT, {"estate": estate})) for _ in range(2))
    keeper = held(session, (Role.KEEPER, {"estate": estate}))
    elsewhere = held(session, (Role.RESIDENT, {"estate": other}))
    dialect = session.get_bind().dialect

    assert (one.name, one.person_id) != (two.name, two.person_id)
    assert kept(dialect, one) is kept(dialect, two) is kept(dialect, keeper)
    anew = [kept.__wrapped__(dialect, viewer) for viewer in (one, two, keeper)]
    assert len({(each.sql, repr(each.constants)) for each in anew}) == 1
    assert one != elsewhere
    assert kept(dialect, one) is not kept(dialect, elsewhere)


def test_the_administrator_of_a_region_does_not_administer_the_network(session: Session) -> None:
    viewer = held(session, (Role.ADMINISTRATOR, {"region": make.region(session)}))

    assert not viewer.is_administrator
    assert held(session, (Role.ADMINISTRATOR, {})).is_administrator


# --- granting -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "place", "field"),
    [
        (Role.DISPATCHER, {"estate_id": 1}, "estate_id"),
        (Role.ADMINISTRATOR, {"estate_id": 1}, "estate_id"),
        (Role.RESIDENT, {"region": "CN-33"}, "region"),
        (Role.KEEPER, {"region": "CN-33"}, "region"),
        (Role.LEAD, {}, "role"),
        (Role.DISPATCHER, {}, "role"),
        (Role.RESIDENT, {"estate_id": 1, "region": "CN-33"}, "region"),
    ],
)
def test_a_role_is_granted_only_at_a_level_where_it_applies(
    session: Session, role: Role, place: dict[str, Any], field: str
) -> None:
    make.estate(session)
    person = make.person(session)

    with pytest.raises(InvalidInput) as refused:
        role_actions.grant_role(session, ADMINISTRATOR, person.id, RoleIn(role=role, **place), at=NOW)

    assert refused.value.field == field
    assert "granted on" in refused.value.detail


def test_a_person_who_covers_no_place_grants_nothing_and_learns_of_no_estate(session: Session) -> None:
    person = make.person(session)
    resident = held(session, (Role.RESIDENT, {"estate": make.estate(session)}))

    with pytest.raises(NotSignedIn):
        role_actions.grant_role(session, ANYONE, person.id, RoleIn(role=Role.RESIDENT, estate_id=999), at=NOW)
    for estate_id in (1, 999):
        with pytest.raises(NotAllowed):
            role_actions.grant_role(
                session, resident, person.id, RoleIn(role=Role.RESIDENT, estate_id=estate_id), at=NOW
            )


def test_nobody_grants_themselves_a_higher_role(session: Session) -> None:
    """A manager can't grant the region's administrator; a region's administrator none above the region."""
    make.region(session, "CN")
    region = make.region(session, "CN-33", parent="CN")
    estate = make.estate(session, in_region="CN-33")
    person = make.person(session)
    manager = held(session, (Role.ESTATE_MANAGER, {"estate": estate}))
    regional = held(session, (Role.ADMINISTRATOR, {"region": region}))

    def gives(who: Viewer, role: Role, **place: Any) -> bool:
        try:
            role_actions.grant_role(session, who, person.id, RoleIn(role=role, **place), at=NOW)
        except NotAllowed:
            return False
        return True

    assert gives(manager, Role.KEEPER, estate_id=estate.id)
    assert not gives(manager, Role.ESTATE_MANAGER, estate_id=estate.id)
    assert not gives(manager, Role.TRAINING_OFFICER, estate_id=estate.id)
    assert not gives(manager, Role.ADMINISTRATOR, region="CN-33")
    assert gives(regional, Role.ESTATE_MANAGER, estate_id=estate.id)
    assert gives(regional, Role.DISPATCHER, region="CN-33")
    assert not gives(regional, Role.DISPATCHER, region="CN")
    assert not gives(regional, Role.ADMINISTRATOR)


def test_a_role_is_held_once_and_can_be_granted_again_after_it_was_revoked(session: Session) -> None:
    estate, person = make.estate(session), make.person(session)
    first = make.role(session, person, Role.KEEPER, estate=estate)
    session.commit()

    with pytest.raises(Conflict):
        make.role(session, person, Role.KEEPER, estate=estate)
    session.rollback()
    role_actions.revoke_role(session, ADMINISTRATOR, first.id, at=NOW)
    again = make.role(session, person, Role.KEEPER, estate=estate)

    both = role_queries.role_grants(session, ADMINISTRATOR, limit=10, person_id=person.id, also_revoked=True)
    assert [(each.id, each.revoked_by) for each in both] == [(first.id, "test"), (again.id, None)]
    assert [each.id for each in role_queries.role_grants(session, ADMINISTRATOR, limit=10)] == [again.id]


def test_a_database_constraint_refuses_a_role_without_its_place(session: Session) -> None:
    person = make.person(session)
    session.commit()

    for role, place in ((Role.LEAD, {}), (Role.DISPATCHER, {"estate_id": 1})):
        session.add(RoleGrant(person_id=person.id, role=role, granted_at=NOW, granted_by="x", **place))
        with pytest.raises(IntegrityError):
            session.flush()
        session.rollback()


def test_revoking_a_role_that_is_not_visible_is_answered_as_not_found(session: Session) -> None:
    estate = make.estate(session)
    other = make.estate(session, around=east_of(PATIENT, metres=2_000))
    grant = make.role(session, make.person(session), Role.RESIDENT, estate=other)
    manager = held(session, (Role.ESTATE_MANAGER, {"estate": estate}))

    with pytest.raises(NotFound):
        role_actions.revoke_role(session, manager, grant.id, at=NOW)
    with pytest.raises(NotSignedIn):
        role_actions.revoke_role(session, ANYONE, grant.id, at=NOW)
    assert grant.revoked_at is None


# --- concurrency ----------------------------------------------------------------------------------------


def with_password(session: Session) -> tuple[Person, Estate]:
    estate = make.estate(session)
    person = make.person(session, phone="+8613800138000", password=PASSWORD)
    return person, estate


def test_granting_and_revoking_a_role_take_effect_at_the_next_request(
    browser: Browsers, session: Session
) -> None:
    person, estate = with_password(session)
    device = make.device(session, of=estate, audience="estate")
    session.commit()
    own = browser()
    own.sign_in("+8613800138000", password=PASSWORD)
    path = f"/v1/devices/{device.id}"
    assert own.client.get(path).status_code == 404

    grant = make.role(session, person, Role.KEEPER, estate=estate)
    session.commit()
    seen = own.client.get(path)
    assert seen.status_code == 200
    headers = {"If-Match": seen.headers["ETag"], **own.csrf}
    amended = own.client.patch(path, json={"place_en": "Lobby"}, headers=headers)
    assert amended.status_code == 200, amended.text
    assert make.changes(session, "devices")[-1].who == f"person:{person.id}"

    role_actions.revoke_role(session, ADMINISTRATOR, grant.id, at=NOW)
    session.commit()
    assert own.client.get(path).status_code == 404
    assert own.me()["roles"] == []


def test_roles_are_granted_and_revoked_over_http_by_people_who_cover_the_place(
    browser: Browsers, session: Session
) -> None:
    manager, estate = with_password(session)
    make.role(session, manager, Role.ESTATE_MANAGER, estate=estate)
    session.commit()
    own = browser()
    own.sign_in("+8613800138000", password=PASSWORD)
    new = {
        "name": "李伟",
        "phone": "138 0013 8001",
        "role": {"role": "resident", "estate_id": estate.id},
    }

    added = own.client.post("/v1/people", json=new, headers=own.csrf)
    assert added.status_code == 201, added.text
    where = added.headers["Location"]
    assert own.client.get(where).json()["phone"] == "+8613800138001"
    given = own.client.post(
        f"{where}/roles", json={"role": "keeper", "estate_id": estate.id}, headers=own.csrf
    )
    assert given.status_code == 201
    listed = own.client.get(f"/v1/roles?estate_id={estate.id}").json()["roles"]
    assert [each["role"] for each in listed] == ["estate_manager", "resident", "keeper"]

    taken = given.headers["Location"]
    assert own.client.delete(taken, headers=own.csrf).status_code == 204
    assert own.client.get(taken).json()["revoked_by"] == f"person:{manager.id}"
    pages = own.client.get(f"/v1/roles?estate_id={estate.id}&limit=1").json()
    assert pages["next"] == str(pages["roles"][0]["id"])
    assert len(own.client.get("/v1/people").json()["people"]) == 2
