"""Test which devices each viewer gets and in which order, without streets or gates."""

from __future__ import annotations

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, TokenRole, Viewer
from aed.registry.devices import actions as device_actions
from aed.settings import Settings
from tests import make
from tests.lookup.asking import ask, get, ids, shown
from tests.make import NOW, PATIENT, east_of, north_of


def test_strangers_see_only_public_devices(session: Session, settings: Settings) -> None:
    estate = make.estate(session)
    for audience in ("estate", "neighbours", "dispatch"):
        make.device(session, of=estate, audience=audience)
    public = make.device(session, at=north_of(PATIENT, metres=150), of=estate)

    answer = ask(session, settings)

    assert ids(answer.devices) == [public.id]
    assert answer.responders is None


def test_strangers_do_not_see_closed_private_devices(session: Session, settings: Settings) -> None:
    make.device(session, of=make.estate(session), audience="dispatch", opening_hours="off")

    answer = ask(session, settings)

    assert answer.devices == answer.unusable == []


def test_neighbours_see_shared_devices_and_dispatchers_their_whole_region(
    session: Session, settings: Settings
) -> None:
    home, neighbour = make.estate(session, neighbourhood="west"), make.estate(session, neighbourhood="west")
    own, shared, dispatch, public = (
        make.device(session, at=north_of(PATIENT, metres=50 * number), of=home, audience=audience)
        for number, audience in enumerate(("estate", "neighbours", "dispatch", "public"))
    )
    elsewhere = make.region(session, "CN-31")

    def seen_by(viewer: Viewer) -> list[int]:
        return ids(ask(session, settings, viewer).devices)

    assert seen_by(make.member(home)) == [own.id, shared.id, dispatch.id, public.id]
    assert seen_by(make.member(neighbour, home)) == [shared.id, dispatch.id, public.id]
    assert seen_by(make.member(neighbour)) == [public.id]
    assert seen_by(make.dispatcher(make.region(session))) == [own.id, shared.id, dispatch.id, public.id]
    assert seen_by(make.dispatcher(elsewhere)) == [public.id]
    assert seen_by(make.ADMINISTRATOR) == [own.id, shared.id, dispatch.id, public.id]


def test_keepers_and_guards_are_shown_only_to_their_own_people_and_dispatchers(
    session: Session, settings: Settings
) -> None:
    estate = make.estate(session)
    make.device(session, of=estate, keeper={"name": "Keeper Zhou", "phone": "+86 571 0555 1"})
    own, other = make.region(session), make.region(session, "CN-31")

    def contacts(viewer: Viewer) -> tuple[str | None, str | None]:
        answer = ask(session, settings, viewer)
        found = shown(answer, viewer, settings).devices[0].contacts
        return found.guard_phone, found.keeper_phone

    for insider in (make.member(estate), make.dispatcher(own), make.ADMINISTRATOR):
        assert contacts(insider) == (estate.guard_phone, "+86 571 0555 1")
    for outsider in (ANYONE, make.member(make.estate(session)), make.dispatcher(other)):
        assert contacts(outsider) == (None, None)


def test_a_device_opened_to_the_public_is_in_the_next_answer_and_one_withdrawn_is_not(
    session: Session, client: TestClient
) -> None:
    estate = make.estate(session)
    device = make.device(session, of=estate, audience="estate")
    member = make.key(session, TokenRole.MEMBER, estate=estate, writes=True)
    session.commit()

    def amend(version: int, audience: str) -> None:
        headers = {**member, "If-Match": f'"{version}"'}
        found = client.patch(f"/v1/devices/{device.id}", json={"audience": audience}, headers=headers)
        assert found.status_code == 200

    assert get(client).devices == []
    assert [near.id for near in get(client, member).devices] == [device.id]
    amend(1, "public")
    assert [near.id for near in get(client).devices] == [device.id]
    amend(2, "estate")
    assert get(client).devices == []


def test_the_nearer_of_two_devices_comes_first(session: Session, settings: Settings) -> None:
    far = make.device(session, at=east_of(PATIENT, metres=400))
    near = make.device(session, at=north_of(PATIENT, metres=100))

    assert ids(ask(session, settings).devices) == [near.id, far.id]


def test_the_limit_sets_the_number_of_devices(session: Session, settings: Settings) -> None:
    made = [make.device(session, at=north_of(PATIENT, metres=40 * number)) for number in range(7)]

    for limit in (1, 5, 7, 50):
        assert ids(ask(session, settings, limit=limit).devices) == [device.id for device in made[:limit]]


def test_a_device_that_is_withdrawn_a_moment_ago_is_gone(session: Session, settings: Settings) -> None:
    device = make.device(session)
    assert ids(ask(session, settings).devices) == [device.id]

    device_actions.withdraw_device(session, make.ADMINISTRATOR, device.id, version=1, at=NOW)

    assert ask(session, settings).devices == []
