"""Who may check a device, report its retrieval and assign rounds: every role at every place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest

from aed.accounts.permissions import ANYONE, Role, RoleAssignment, TokenRole, TokenScope, Viewer
from aed.errors import AedError, NotSignedIn
from aed.upkeep.permissions import (
    AssignedPlaces,
    assigned_places,
    require_check_allowed,
    require_policy_editor,
    require_retrieval_reporter,
    require_round_assigner,
)
from aed.upkeep.rules import CheckKind
from tests.allowed import is_allowed

ESTATE, OTHER_ESTATE = 7, 8
REGION, OTHER_REGION = 70, 80
WRITE = frozenset(TokenScope)
READ = frozenset({TokenScope.READ})
GLANCE, CHECK, SERVICE = CheckKind.GLANCE, CheckKind.CHECK, CheckKind.SERVICE
ALLOWED = {
    Role.RESIDENT: {GLANCE},
    Role.RESPONDER: {GLANCE, CHECK},
    Role.LEAD: {GLANCE, CHECK},
    Role.KEEPER: {GLANCE, CHECK, SERVICE},
    Role.ESTATE_MANAGER: {GLANCE, CHECK, SERVICE},
    Role.ADMINISTRATOR: {GLANCE, CHECK, SERVICE},
    Role.TRAINING_OFFICER: set[CheckKind](),
    Role.DISPATCHER: set[CheckKind](),
}


def person(*held: RoleAssignment) -> Viewer:
    return Viewer(role=TokenRole.MEMBER, scopes=WRITE, person_id=1, role_assignments=held)


def at_estate(role: Role, estate_id: int = ESTATE) -> RoleAssignment:
    return RoleAssignment(role, estate_id=estate_id)


def in_region(role: Role, region_id: int = REGION) -> RoleAssignment:
    return RoleAssignment(role, region_ids=(region_id,))


def token(
    role: TokenRole,
    *,
    estate_id: int | None = None,
    region_id: int | None = None,
    scopes: frozenset[TokenScope] = WRITE,
) -> Viewer:
    regions = (region_id,) if region_id is not None else ()
    return Viewer(role=role, scopes=scopes, estate_id=estate_id, region_ids=regions)


def may_check(viewer: Viewer, kind: CheckKind, estate_id: int | None = ESTATE) -> bool:
    return is_allowed(require_check_allowed, viewer, kind, estate_id, REGION)


def may_report(viewer: Viewer, region_id: int = REGION) -> bool:
    return is_allowed(require_retrieval_reporter, viewer, ESTATE, region_id)


def may_assign(viewer: Viewer, estate_id: int | None) -> bool:
    return is_allowed(require_round_assigner, viewer, estate_id, REGION)


def may_edit_policy(viewer: Viewer, estate_id: int | None) -> bool:
    return is_allowed(require_policy_editor, viewer, estate_id, REGION)


@pytest.mark.parametrize(
    "require",
    [
        lambda: require_check_allowed(ANYONE, GLANCE, ESTATE, REGION),
        lambda: require_retrieval_reporter(ANYONE, ESTATE, REGION),
        lambda: require_round_assigner(ANYONE, ESTATE, REGION),
        lambda: require_round_assigner(ANYONE, None, REGION),
        lambda: require_policy_editor(ANYONE, ESTATE, REGION),
        lambda: require_policy_editor(ANYONE, None, REGION),
    ],
)
def test_a_stranger_must_sign_in(require: Callable[[], None]) -> None:
    with pytest.raises(NotSignedIn) as refused:
        require()
    assert isinstance(refused.value, AedError)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("kind", CheckKind)
def test_each_role_sends_its_kinds_of_check_at_its_place_only(role: Role, kind: CheckKind) -> None:
    may = kind in ALLOWED[role]

    assert may_check(person(at_estate(role)), kind) is may
    assert may_check(person(in_region(role)), kind) is may
    for elsewhere in (at_estate(role, OTHER_ESTATE), in_region(role, OTHER_REGION)):
        assert not may_check(person(elsewhere), kind)
    assert not may_check(person(at_estate(role)), kind, None), "a device of no estate"
    assert may_check(person(in_region(role)), kind, None) is may
    assert not may_check(replace(person(at_estate(role)), scopes=READ), kind)


def test_of_two_roles_the_one_that_allows_it_counts() -> None:
    for first, second in product(Role, repeat=2):
        both = person(at_estate(first), at_estate(second))
        for kind in CheckKind:
            assert may_check(both, kind) is (kind in ALLOWED[first] | ALLOWED[second])
        strong_elsewhere = person(at_estate(first), at_estate(second, OTHER_ESTATE))
        for kind in CheckKind:
            assert may_check(strong_elsewhere, kind) is (kind in ALLOWED[first])


def test_a_person_has_no_more_rights_than_their_roles_by_living_there() -> None:
    assert not may_check(replace(person(), estate_id=ESTATE), GLANCE)


@pytest.mark.parametrize("kind", CheckKind)
def test_a_token_checks_the_devices_of_its_own_estate(kind: CheckKind) -> None:
    assert may_check(token(TokenRole.MEMBER, estate_id=ESTATE), kind)
    assert not may_check(token(TokenRole.MEMBER, estate_id=ESTATE, scopes=READ), kind)
    assert not may_check(token(TokenRole.MEMBER, estate_id=OTHER_ESTATE), kind)
    assert not may_check(token(TokenRole.MEMBER), kind, None), "no estate is not the same estate"
    assert not may_check(token(TokenRole.DISPATCHER, region_id=REGION), kind)
    assert not may_check(token(TokenRole.DISPATCHER, estate_id=ESTATE, region_id=REGION), kind)
    assert may_check(token(TokenRole.ADMINISTRATOR), kind, None)
    assert not may_check(token(TokenRole.ADMINISTRATOR, scopes=READ), kind)


def test_a_dispatcher_reports_retrievals_in_their_region_with_a_token_that_writes() -> None:
    assert may_report(token(TokenRole.DISPATCHER, region_id=REGION))
    assert not may_report(token(TokenRole.DISPATCHER, region_id=OTHER_REGION))
    assert not may_report(token(TokenRole.DISPATCHER, region_id=REGION, scopes=READ))
    assert not may_report(token(TokenRole.MEMBER, estate_id=OTHER_ESTATE, region_id=REGION))
    assert may_report(person(at_estate(Role.RESIDENT)))
    assert not may_report(person(at_estate(Role.RESIDENT, OTHER_ESTATE)))


@pytest.mark.parametrize("role", Role)
def test_rounds_of_an_estate_and_of_a_region_have_their_own_assigners(role: Role) -> None:
    manages_estate = role in (Role.ESTATE_MANAGER, Role.ADMINISTRATOR)

    assert may_assign(person(at_estate(role)), ESTATE) is manages_estate
    assert may_assign(person(in_region(role)), ESTATE) is manages_estate
    assert may_assign(person(in_region(role)), None) is (role is Role.ADMINISTRATOR)
    assert not may_assign(person(at_estate(role)), None)
    assert not may_assign(person(at_estate(role, OTHER_ESTATE)), ESTATE)
    assert not may_assign(person(in_region(role, OTHER_REGION)), ESTATE)
    assert not may_assign(person(in_region(role, OTHER_REGION)), None)


@pytest.mark.parametrize("role", Role)
def test_a_policy_of_the_network_is_for_its_administrators(role: Role) -> None:
    manages_estate = role in (Role.ESTATE_MANAGER, Role.ADMINISTRATOR)

    assert may_edit_policy(person(at_estate(role)), ESTATE) is manages_estate
    assert not may_edit_policy(person(at_estate(role), in_region(role)), None)
    assert may_edit_policy(token(TokenRole.ADMINISTRATOR), None)
    assert not may_edit_policy(token(TokenRole.ADMINISTRATOR, scopes=READ), None)


def test_the_places_where_rounds_are_seen_are_those_where_they_are_assigned() -> None:
    nowhere = AssignedPlaces((), (), ())
    for role in Role:
        manager, administrator = role is Role.ESTATE_MANAGER, role is Role.ADMINISTRATOR
        assert assigned_places(person(at_estate(role))).estate_ids == ((ESTATE,) if manager else ())
        assert assigned_places(person(in_region(role))).region_ids == ((REGION,) if administrator else ())
        assert assigned_places(person(in_region(role))).estate_ids == ()
    assert assigned_places(replace(person(), estate_id=ESTATE)) == nowhere, "a resident assigns none"
    assert assigned_places(token(TokenRole.MEMBER, estate_id=ESTATE)).estate_ids == (ESTATE,)
    assert assigned_places(token(TokenRole.MEMBER)) == nowhere
    assert assigned_places(token(TokenRole.DISPATCHER, estate_id=ESTATE, region_id=REGION)) == nowhere
    two = assigned_places(
        replace(
            person(
                at_estate(Role.ESTATE_MANAGER, OTHER_ESTATE),
                at_estate(Role.ESTATE_MANAGER),
                in_region(Role.ADMINISTRATOR),
            ),
            managed_region_ids=(90,),
        )
    )
    assert two == AssignedPlaces((ESTATE, OTHER_ESTATE), (REGION,), (90,))
