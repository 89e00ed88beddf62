"""Who may withdraw, suspend or lower an agreement."""

from __future__ import annotations

import pytest

from aed.accounts.permissions import ANYONE, Role, RoleAssignment, TokenRole, TokenScope, Viewer
from aed.errors import NotAllowed, NotSignedIn
from aed.sharing.models import Agreement, AgreementParty
from aed.sharing.permissions import require_can_withdraw

ESTATE, REGION, REPRESENTATIVE = 7, 70, 3
WRITE = frozenset(TokenScope)


def agreement(*representatives: int | None) -> Agreement:
    parties = [AgreementParty(representative_id=each) for each in representatives]
    return Agreement(estate_id=ESTATE, region_id=REGION, parties=parties)


def person(person_id: int, *held: RoleAssignment) -> Viewer:
    return Viewer(role=TokenRole.MEMBER, scopes=WRITE, person_id=person_id, role_assignments=held)


def may_withdraw(viewer: Viewer, found: Agreement) -> bool:
    try:
        require_can_withdraw(viewer, found)
    except NotAllowed:
        return False
    return True


def test_a_stranger_must_sign_in_even_where_a_party_has_no_representative() -> None:
    for found in (agreement(), agreement(None), agreement(REPRESENTATIVE, None)):
        with pytest.raises(NotSignedIn):
            require_can_withdraw(ANYONE, found)


def test_a_token_of_elsewhere_is_no_party_that_has_no_representative() -> None:
    for token in (
        Viewer(role=TokenRole.MEMBER, scopes=WRITE, estate_id=ESTATE + 1),
        Viewer(role=TokenRole.MEMBER, estate_id=ESTATE),
        Viewer(role=TokenRole.DISPATCHER, scopes=WRITE, region_ids=(REGION,)),
    ):
        assert not may_withdraw(token, agreement(None, REPRESENTATIVE))


def test_a_representative_of_any_party_may_and_one_of_another_agreement_may_not() -> None:
    for parties in ((REPRESENTATIVE,), (None, REPRESENTATIVE), (4, 5, REPRESENTATIVE)):
        assert may_withdraw(person(REPRESENTATIVE), agreement(*parties))
    assert not may_withdraw(person(REPRESENTATIVE), agreement(4, None, 5))


@pytest.mark.parametrize("role", Role)
def test_the_estate_and_the_region_may_by_their_role(role: Role) -> None:
    is_manager = role in (Role.ESTATE_MANAGER, Role.ADMINISTRATOR)

    for held, covers in (
        (RoleAssignment(role, estate_id=ESTATE), True),
        (RoleAssignment(role, region_ids=(REGION,)), True),
        (RoleAssignment(role, estate_id=ESTATE + 1), False),
        (RoleAssignment(role, region_ids=(REGION + 1,)), False),
    ):
        assert may_withdraw(person(9, held), agreement(REPRESENTATIVE)) is (is_manager and covers)
