"""Who may see and decide about the service of volunteers: each role, place and token."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aed.accounts.permissions import ANYONE, Role, RoleAssignment, TokenRole, TokenScope, Viewer
from aed.errors import NotAllowed, NotSignedIn
from aed.volunteering.permissions import (
    manages,
    manages_any,
    own_person_id,
    require_any_manager,
    require_manager,
    require_self_or_manager,
)
from tests.allowed import is_allowed

ESTATE, REGION = 7, 70
WRITE = frozenset(TokenScope)
OFFICE = Viewer(role=TokenRole.ADMINISTRATOR, scopes=WRITE)


def person(*held: RoleAssignment, person_id: int = 1) -> Viewer:
    return Viewer(
        role=TokenRole.MEMBER, scopes=WRITE, estate_id=ESTATE, person_id=person_id, role_assignments=held
    )


@pytest.mark.parametrize(
    "require",
    [
        lambda: require_manager(ANYONE, estate_id=ESTATE, region_id=REGION),
        lambda: require_any_manager(ANYONE),
        lambda: require_self_or_manager(ANYONE, 1, estate_id=ESTATE, region_id=REGION),
        lambda: own_person_id(ANYONE),
    ],
)
def test_a_stranger_must_sign_in(require: Callable[[], object]) -> None:
    with pytest.raises(NotSignedIn):
        require()


@pytest.mark.parametrize("role", Role)
def test_managers_decide_at_their_place_only(role: Role) -> None:
    is_manager = role in (Role.ESTATE_MANAGER, Role.ADMINISTRATOR)
    for held, covers in (
        (RoleAssignment(role, estate_id=ESTATE), True),
        (RoleAssignment(role, region_ids=(69, REGION)), True),
        (RoleAssignment(role, estate_id=ESTATE + 1), False),
        (RoleAssignment(role, region_ids=(REGION + 1,)), False),
    ):
        viewer = person(held)
        may = is_manager and covers
        assert manages(viewer, estate_id=ESTATE, region_id=REGION) is may
        assert is_allowed(require_manager, viewer, estate_id=ESTATE, region_id=REGION) is may
        assert manages_any(viewer) is is_manager
        assert is_allowed(require_any_manager, viewer) is is_manager


def test_volunteers_see_themselves_and_nobody_else() -> None:
    volunteer = person(RoleAssignment(Role.RESPONDER, estate_id=ESTATE))

    def sees(viewer: Viewer, person_id: int) -> bool:
        return is_allowed(require_self_or_manager, viewer, person_id, estate_id=ESTATE, region_id=REGION)

    assert sees(volunteer, 1)
    assert not sees(volunteer, 2)
    manager = person(RoleAssignment(Role.ESTATE_MANAGER, estate_id=ESTATE), person_id=3)
    assert sees(manager, 3), "a manager who is a volunteer as well"
    assert sees(manager, 1)
    assert own_person_id(volunteer) == 1


def test_a_token_is_no_volunteer_and_decides_only_with_the_right_to_write() -> None:
    assert manages(OFFICE, estate_id=ESTATE, region_id=REGION)
    reading = Viewer(role=TokenRole.ADMINISTRATOR)
    assert not manages(reading, estate_id=ESTATE, region_id=REGION)
    assert manages_any(reading), "it may read"
    for viewer in (OFFICE, reading, Viewer(role=TokenRole.MEMBER, scopes=WRITE, estate_id=ESTATE)):
        with pytest.raises(NotAllowed):
            own_person_id(viewer)
    member = Viewer(role=TokenRole.MEMBER, scopes=WRITE, estate_id=ESTATE)
    assert not manages(member, estate_id=ESTATE, region_id=REGION)
    assert not manages_any(member)
