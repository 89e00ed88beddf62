"""Who manages accounts of the time bank: people with the role at the place, and never for themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aed.accounts.permissions import ANYONE, Role, RoleAssignment, TokenRole, TokenScope, Viewer
from aed.errors import NotAllowed, NotSignedIn
from aed.timebank.permissions import (
    require_account_manager,
    require_any_manager,
    require_other_person,
    require_person,
    require_signed_in,
)
from tests.allowed import is_allowed

ESTATE, REGION = 7, 70
WRITE = frozenset(TokenScope)
MEMBER_TOKEN = Viewer(role=TokenRole.MEMBER, scopes=WRITE, estate_id=ESTATE)
OFFICE = Viewer(role=TokenRole.ADMINISTRATOR, scopes=WRITE)


def person(*held: RoleAssignment) -> Viewer:
    return Viewer(role=TokenRole.MEMBER, scopes=WRITE, estate_id=ESTATE, person_id=1, role_assignments=held)


@pytest.mark.parametrize(
    "require",
    [
        lambda: require_person(ANYONE),
        lambda: require_account_manager(ANYONE, estate_id=ESTATE, region_id=REGION),
        lambda: require_any_manager(ANYONE),
        lambda: require_signed_in(ANYONE),
    ],
)
def test_a_stranger_must_sign_in(require: Callable[[], object]) -> None:
    with pytest.raises(NotSignedIn):
        require()


@pytest.mark.parametrize("role", Role)
def test_accounts_are_managed_at_ones_own_place(role: Role) -> None:
    is_manager = role in (Role.ESTATE_MANAGER, Role.ADMINISTRATOR)

    def manages(held: RoleAssignment, estate_id: int | None) -> bool:
        return is_allowed(require_account_manager, person(held), estate_id=estate_id, region_id=REGION)

    here, region = RoleAssignment(role, estate_id=ESTATE), RoleAssignment(role, region_ids=(REGION,))
    assert manages(here, ESTATE) is is_manager
    assert manages(region, ESTATE) is is_manager
    assert manages(region, None) is (role is Role.ADMINISTRATOR), "accounts of the region itself"
    assert not manages(here, None)
    assert not manages(RoleAssignment(role, estate_id=ESTATE + 1), ESTATE)
    assert not manages(RoleAssignment(role, region_ids=(REGION + 1,)), ESTATE)
    assert is_allowed(require_any_manager, person(here)) is is_manager


def test_a_token_of_an_estate_holds_and_manages_no_account() -> None:
    assert require_person(person()) == 1
    for token in (MEMBER_TOKEN, OFFICE):
        with pytest.raises(NotAllowed):
            require_person(token)
        require_signed_in(token)
    assert not is_allowed(require_account_manager, MEMBER_TOKEN, estate_id=ESTATE, region_id=REGION)
    assert not is_allowed(require_any_manager, MEMBER_TOKEN)
    require_account_manager(OFFICE, estate_id=ESTATE, region_id=REGION)
    require_any_manager(OFFICE)


def test_nobody_decides_for_themselves() -> None:
    with pytest.raises(NotAllowed, match="another manager"):
        require_other_person(person(), 1)
    require_other_person(person(), 2)
    require_other_person(OFFICE, 1)
