"""Which policy applies to a device, and the check form that follows from it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, Role
from aed.errors import ChangedMeanwhile, Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.upkeep.checks.actions import amend_policy, create_policy, withdraw_policy
from aed.upkeep.checks.queries import policies, policy, policy_for, terms_of
from aed.upkeep.checks.rules import DEFAULT, MUST_ASK
from aed.upkeep.checks.schemas import PolicyAmend, PolicyIn
from aed.upkeep.rules import PolicyScope, Question, closest, device_id_of, short_number
from tests import make
from tests.make import ADMINISTRATOR, NOW


def test_the_most_specific_policy_applies_and_otherwise_the_default(session: Session) -> None:
    home = make.estate(session)
    device = make.device(session, of=home, maker="Heartline", model="H1")
    assert policy_for(session, device) is None
    assert terms_of(None) == DEFAULT

    for_all = make.policy(session)
    assert policy_for(session, device) is for_all
    for_maker = make.policy(session, maker="HEARTLINE")
    assert policy_for(session, device) is for_maker
    for_model = make.policy(session, maker="Heartline", model="h1", check_days=7)
    assert policy_for(session, device) is for_model
    make.policy(session, maker="Heartline", model="H2")
    make.policy(session, of=make.estate(session))
    assert policy_for(session, device) is for_model
    for_home = make.policy(session, of=home)
    assert policy_for(session, device) is for_home
    closest_ = make.policy(session, of=home, maker="Heartline", model="H1")
    assert policy_for(session, device) is closest_

    withdraw_policy(session, ADMINISTRATOR, closest_.id, version=closest_.version, at=NOW)
    assert policy_for(session, device) is for_home


def test_one_policy_is_in_force_for_the_same(session: Session) -> None:
    first = make.policy(session, maker="Heartline", model="H1")
    with pytest.raises(Conflict, match="already in force"), session.begin_nested():
        make.policy(session, maker="HeartLine", model="h1")

    withdraw_policy(session, ADMINISTRATOR, first.id, version=first.version, at=NOW)
    make.policy(session, maker="Heartline", model="H1")


def test_every_version_of_a_policy_is_kept_and_none_is_lost(session: Session) -> None:
    made = make.policy(session, check_days=30)
    version = made.version
    amend_policy(session, ADMINISTRATOR, made.id, PolicyAmend(check_days=14), version=version, at=NOW)

    with pytest.raises(ChangedMeanwhile):
        amend_policy(session, ADMINISTRATOR, made.id, PolicyAmend(check_days=7), version=version, at=NOW)
    with pytest.raises(InvalidInput, match="name_zh"):
        amend_policy(session, ADMINISTRATOR, made.id, PolicyAmend(name_zh=None), version=made.version, at=NOW)
    session.commit()
    kept = [change.fields for change in make.changes(session, "policies")]
    assert kept[-1] == {"check_days": [30, 14]}
    assert kept[0]["asks"][1]


def test_an_estates_policy_is_its_managers_to_make_and_its_peoples_to_read(session: Session) -> None:
    home, other = make.estate(session), make.estate(session)
    new = PolicyIn(estate_id=home.id, name_en="Weekly", name_zh="每周")
    manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=home)

    with pytest.raises(NotSignedIn):
        create_policy(session, ANYONE, new, at=NOW)
    for stranger in (
        make.person_with_role(session, Role.ESTATE_MANAGER, estate=other),
        make.member(other, writes=True),
    ):
        with pytest.raises((NotAllowed, NotFound)):
            create_policy(session, stranger, new, at=NOW)
    for who in (make.person_with_role(session, Role.KEEPER, estate=home), make.member(home)):
        with pytest.raises(NotAllowed):
            create_policy(session, who, new, at=NOW)
    with pytest.raises(NotAllowed):
        create_policy(session, manager, PolicyIn(name_en="All", name_zh="全部"), at=NOW)

    made = create_policy(session, manager, new, at=NOW)
    for_all = make.policy(session)

    assert policies(session, ANYONE, limit=10) == [for_all]
    assert policies(session, make.member(other), limit=10) == [for_all]
    assert policies(session, make.member(home), limit=10) == [made, for_all]
    with pytest.raises(NotFound):
        policy(session, ANYONE, made.id)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "H1"}, "maker"),
        ({"asks": ["status_light", "status_light", "pads_in_date"]}, "once"),
        ({"asks": ["status_light", "seal"]}, "pads_in_date"),
        ({"glance_days": 0}, "glance_days"),
    ],
)
def test_an_invalid_policy_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PolicyIn.model_validate({"name_en": "x", "name_zh": "x", **fields})


def test_the_default_form_asks_the_required_questions() -> None:
    assert set(DEFAULT.asks) >= MUST_ASK
    assert set(DEFAULT.asks) <= set(Question)


scopes = some.builds(
    PolicyScope,
    some.sampled_from([None, 1, 2]),
    some.sampled_from(["a", "B"]),
    some.sampled_from(["x", "Y"]),
)


@given(some.lists(scopes, unique=True, max_size=8), scopes)
def test_the_most_specific_policy_applies(held: list[PolicyScope], device: PolicyScope) -> None:
    found = closest([(scope, scope) for scope in held], device)
    covering = [scope for scope in held if scope.covers(device)]
    assert (found is None) == (not covering)
    if found is not None:
        assert found.covers(device)
        assert all(found.closeness >= other.closeness for other in covering)


@pytest.mark.parametrize(
    ("policy", "is_covered"),
    [
        (PolicyScope(), True),
        (PolicyScope(1), True),
        (PolicyScope(2), False),
        (PolicyScope(maker="HEARTLINE"), True),
        (PolicyScope(maker="Other"), False),
        (PolicyScope(maker="heartline", model="h1"), True),
        (PolicyScope(maker="heartline", model="H2"), False),
        (PolicyScope(2, "Heartline", "H1"), False),
        (PolicyScope(1, "Heartline", "H1"), True),
    ],
)
def test_a_policy_covers_devices_of_its_estate_maker_and_model(policy: PolicyScope, is_covered: bool) -> None:
    assert policy.covers(PolicyScope(1, "Heartline", "H1")) is is_covered
    if policy.maker is not None:
        assert not policy.covers(PolicyScope(1)), "a device without a maker"


def test_a_policy_of_an_estate_comes_before_one_of_a_model_and_that_before_one_of_a_maker() -> None:
    ordered = [
        PolicyScope(estate_id, maker, model)
        for estate_id in (None, 1)
        for model in (None, "x")
        for maker in (None, "M")
    ]

    assert [each.closeness for each in ordered] == list(range(8))


@given(some.integers(min_value=1, max_value=2**53))
def test_a_short_number_is_read_back_and_a_wrong_digit_is_noticed(device_id: int) -> None:
    written = short_number(device_id)
    assert device_id_of(written) == device_id
    assert device_id_of(written.replace("-", " ")) == device_id
    digits = written.replace("-", "")
    for place in range(len(digits)):
        wrong = digits[:place] + str((int(digits[place]) + 1) % 10) + digits[place + 1 :]
        with pytest.raises(InvalidInput):
            device_id_of(wrong)


@pytest.mark.parametrize("written", ["", "7", "abc", "0-0", "１２-３", "9" * 30])
def test_an_invalid_short_number_is_refused(written: str) -> None:
    with pytest.raises(InvalidInput, match="编号"):
        device_id_of(written)
