"""The number of SQL statements per response, independent of its size."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session
from tests import make
from tests.make import PATIENT, north_of
from tests.statements import statements_of

from aed.accounts.permissions import TokenRole

NEAREST = f"/v1/nearest?lat={PATIENT.lat}&lon={PATIENT.lon}&limit=10"


@pytest.fixture
def asked(session: Session, client: TestClient) -> Callable[..., int]:
    """Return a function that counts a request's SQL statements, once the caches are filled."""
    engine = client.app.state.database.engine  # type: ignore[attr-defined] # it is a FastAPI

    def count(path: str, headers: dict[str, str] | None = None) -> int:
        client.get(path, headers=headers)
        with statements_of(engine) as sent:
            assert client.get(path, headers=headers).status_code == 200
        return len(sent)

    return count


def a_street_of(session: Session, count: int, **given: Any) -> int:
    """Add devices with every displayed field; return the id of the last."""
    estate = make.estate(session, neighbourhood="lane")
    for number in range(count):
        made = make.device(
            session,
            of=estate,
            at=north_of(PATIENT, metres=number),
            pads_expire_on=date(2027, 1, 1),
            keeper={"name": f"Keeper {number}"},
            opening_hours="Mo-Su 00:00-24:00; PH off",
            **given,
        )
    session.commit()
    return made.id


@pytest.mark.parametrize("count", [2, 12])
def test_anonymous_costs_one_statement_for_a_list_and_two_for_a_lookup(
    session: Session, asked: Callable[..., int], count: int
) -> None:
    a_street_of(session, count)

    assert asked("/v1/devices") == 1
    assert asked("/v1/devices?bbox=119,29,121,31&state=in_service&audience=public&region=CN-33") == 1
    assert asked(NEAREST) == 2, "and one for what is out of service near by"


@pytest.mark.parametrize("count", [2, 12])
def test_a_token_costs_one_statement_for_itself_and_one_for_its_grants(
    session: Session, asked: Callable[..., int], count: int
) -> None:
    a_street_of(session, count)
    estate, region = make.estate(session, neighbourhood="lane"), make.region(session)
    make.responder(session)
    member = make.key(session, TokenRole.MEMBER, estate=estate)
    dispatcher = make.key(session, TokenRole.DISPATCHER, region=region)
    administrator = make.key(session, TokenRole.ADMINISTRATOR)
    session.commit()

    assert asked("/v1/devices", administrator) == 2
    assert asked("/v1/devices", member) == 3
    assert asked("/v1/devices", dispatcher) == 3
    assert asked(NEAREST, member) == 4
    assert asked(NEAREST, administrator) == 7, (
        "and for the responders: those on duty, the default places, the patient's estate and its pace"
    )
    assert asked(NEAREST, dispatcher) == 8


@pytest.mark.parametrize("count", [1, 12])
def test_single_reads_and_other_lists_cost_the_same_however_much_there_is(
    session: Session, asked: Callable[..., int], count: int
) -> None:
    device_id = a_street_of(session, count)
    estates = [make.estate(session) for _ in range(count)]
    for _ in range(count):
        make.gate(session, estates[0], at=PATIENT)
    estate_id = estates[0].id
    administrator = make.key(session, TokenRole.ADMINISTRATOR)
    session.commit()

    assert asked(f"/v1/devices/{device_id}") == 2, "the device with what belongs to it, and what is fitted"
    assert asked(f"/v1/devices/{device_id}/history", administrator) == 1 + 2 + 1
    assert asked("/v1/estates", administrator) == 1 + 1
    assert asked(f"/v1/estates/{estate_id}", administrator) == 1 + 1
    assert asked(f"/v1/estates/{estate_id}/gates", administrator) == 1 + 2
    assert asked("/v1/holidays") == 2
    assert asked("/v1/regions") == 1
    assert asked("/v1/me") == 0


def test_a_lookup_without_devices_nearby_takes_few_statements(
    session: Session, asked: Callable[..., int]
) -> None:
    a_street_of(session, 1)

    # SpatiaLite widens its search window until it holds enough devices or reaches the search radius.
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    assert asked("/v1/nearest?lat=-40&lon=-120") <= (8 if is_sqlite else 2)  # with devices out of service
