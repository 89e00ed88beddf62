"""Test moments: opening hours, holidays and expiry dates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, TokenRole
from aed.registry.devices import actions as device_actions
from aed.registry.devices.rules import Access, ConsumableKind, Readiness
from aed.registry.devices.schemas import ConsumableIn
from aed.settings import Settings
from tests import make
from tests.lookup.asking import ask, chinese, english, get, ids, shown
from tests.make import NOW, PATIENT, east_of, north_of

OFFICE = "Mo-Fr 08:30-17:30; PH off"
NIGHT = NOW + timedelta(hours=14)


def china(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


def test_a_closed_device_is_listed_separately_with_its_opening_time(
    session: Session, settings: Settings
) -> None:
    closed = make.device(session, opening_hours=OFFICE)
    far = make.device(session, at=north_of(PATIENT, metres=300))

    answer = ask(session, settings, at=NIGHT)

    assert ids(answer.devices) == [far.id]
    assert ids(answer.unusable) == [closed.id]
    (found,) = shown(answer, ANYONE, settings).unusable_now
    assert found.opens_at == china("2026-09-23T08:30")
    assert found.access.state is Access.CLOSED
    assert found.probability_usable == 0


def test_the_words_name_the_day_when_it_is_not_today(session: Session, settings: Settings) -> None:
    make.device(session, opening_hours=OFFICE)

    before_work = shown(ask(session, settings, at=china("2026-09-22T07:00")), ANYONE, settings)
    at_work = shown(ask(session, settings, at=china("2026-09-22T10:00")), ANYONE, settings)
    after_work = shown(ask(session, settings, at=china("2026-09-22T22:00")), ANYONE, settings)

    assert "closed now, until 08:30" in english(before_work.unusable_now[0])
    assert "现在关闭，至08:30" in chinese(before_work.unusable_now[0])
    assert "open now, until 17:30" in english(at_work.devices[0])
    assert "现在开放，至17:30" in chinese(at_work.devices[0])
    assert "closed now, until 2026-09-23 08:30" in english(after_work.unusable_now[0])


def test_a_closed_device_farther_than_the_last_result_is_not_listed(
    session: Session, settings: Settings
) -> None:
    make.device(session, at=north_of(PATIENT, metres=500), opening_hours="off")
    near = make.device(session)

    answer = ask(session, settings, limit=1)

    assert ids(answer.devices) == [near.id]
    assert answer.unusable == []


def test_each_reason_has_a_code_beside_its_words(session: Session, settings: Settings) -> None:
    make.device(session, opening_hours=None)
    make.device(session, opening_hours="24/7")

    by_hours, unknown = shown(ask(session, settings), ANYONE, settings).devices

    assert [each.code for each in by_hours.reasons] == ["walk_estimated", "open", "checked"]
    assert [each.code for each in unknown.reasons] == [
        "walk_estimated",
        "hours_unknown",
        "reachable_estimated",
        "checked",
    ]


def test_unknown_hours_rank_by_their_chance_and_say_so(session: Session, settings: Settings) -> None:
    unknown = make.device(session, opening_hours=None)
    surely = make.device(session, at=north_of(PATIENT, metres=100))
    far = make.device(session, at=east_of(PATIENT, metres=250))

    answer = ask(session, settings)

    # By day, a 30 % chance of losing 600 s weighs as much as walking about 300 m.
    assert ids(answer.devices) == [surely.id, unknown.id, far.id]
    found = shown(answer, ANYONE, settings).devices[1]
    assert found.access.state is Access.UNKNOWN
    assert found.probability_usable == pytest.approx(0.7 * (0.85 + 0.1 * 0.5 ** (1 / 35)), abs=0.001)
    assert "opening hours not known" in english(found)
    assert "开放时间未知" in chinese(found)
    assert "estimate for any place during the day: 70% can be reached" in english(found)
    assert "按一般场所、工作日白天估计：约70%可取到" in chinese(found)


@pytest.mark.parametrize(
    ("given", "moment", "probability_usable", "en", "zh"),
    [
        ({}, "2026-09-22T03:00", 0.09, "any place at night", "一般场所、夜间"),
        ({}, "2026-09-22T19:00", 0.33, "any place in the evening", "一般场所、工作日晚间"),
        ({}, "2026-09-26T12:00", 0.33, "any place on a weekend or holiday", "一般场所、周末或节假日"),
        ({}, "2026-10-01T12:00", 0.33, "any place on a weekend or holiday", "一般场所、周末或节假日"),
        ({}, "2026-10-10T12:00", 0.7, "any place during the day", "一般场所、工作日白天"),
        (
            {"place_en": "Guard's post"},
            "2026-09-22T03:00",
            0.8,
            "always staffed at night",
            "值守的场所、夜间",
        ),
        ({"place_zh": "小学门卫"}, "2026-09-22T03:00", 0.8, "staffed at night", "值守的场所、夜间"),
        ({"place_zh": "社区小学"}, "2026-09-22T12:00", 0.7, "a school during the day", "学校、工作日白天"),
        (
            {"place_en": "Office, 2nd floor"},
            "2026-09-26T12:00",
            0.2,
            "an office on a weekend or holiday",
            "办公场所、周末",
        ),
        ({"estate": True}, "2026-09-22T03:00", 0.5, "an estate at night", "园区、夜间"),
    ],
)
def test_unknown_hours_are_guessed_by_the_hour_and_the_class_of_the_place(
    session: Session,
    settings: Settings,
    given: dict[str, Any],
    moment: str,
    probability_usable: float,
    en: str,
    zh: str,
) -> None:
    """The days are a Tuesday, a Saturday, National Day, and a Saturday that is a workday."""
    of = make.estate(session) if given.get("estate") else None
    words = {name: value for name, value in given.items() if name != "estate"}
    make.device(session, of=of, opening_hours=None, last_checked_on=None, **words)

    (found,) = shown(ask(session, settings, at=china(moment)), ANYONE, settings).devices

    assert found.probability_usable == pytest.approx(probability_usable * 0.85, abs=0.001)
    assert any(f"{en}: {probability_usable:.0%}" in words for words in english(found))
    assert any(zh in words and f"{probability_usable:.0%}" in words for words in chinese(found))


@pytest.mark.parametrize("moment", ["2026-09-22T03:00", "2026-09-22T10:00", "2026-09-26T12:00"])
@pytest.mark.parametrize("words", ["Guard's post", "Mall", None])
def test_open_hours_with_unknown_entry_rank_above_unknown_hours(
    session: Session, settings: Settings, moment: str, words: str | None
) -> None:
    unknown = make.device(session, opening_hours=None, place_en=words)
    open_now = make.device(session, at=north_of(PATIENT, metres=5), entry="unknown", place_en=words)

    answer = ask(session, settings, at=china(moment))

    assert ids(answer.devices) == [open_now.id, unknown.id]
    found, _ = shown(answer, ANYONE, settings).devices
    assert found.access.state is Access.UNKNOWN
    assert "open now; access not known" in english(found)
    assert "现在开放；能否进入未知" in chinese(found)
    assert not any("estimate for" in each for each in english(found))


def test_a_device_with_assisted_access_shows_whom_to_call(session: Session, settings: Settings) -> None:
    estate = make.estate(session)
    make.device(session, of=estate, entry="assisted", keeper={"name": "Keeper Zhou", "phone": "+86 571 1"})
    make.device(session, at=north_of(PATIENT, metres=50), of=estate)

    helped, free = shown(ask(session, settings), ANYONE, settings).devices

    assert (helped.access.state, helped.contacts.guard_phone) == (Access.ASSISTED, estate.guard_phone)
    assert helped.contacts.keeper_phone is None, "a keeper is not rung by strangers"
    assert "someone must let you in" in english(helped)
    assert (free.access.state, free.contacts.guard_phone) == (Access.OPEN, None)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-09-30T10:00", True),  # a Wednesday
        ("2026-10-01T10:00", False),  # National Day, a Thursday
        ("2026-10-07T10:00", False),  # the last day of the holiday, a Wednesday
        ("2026-10-08T10:00", True),
        ("2026-10-10T10:00", True),  # a Saturday that is a make-up workday
        ("2026-10-10T18:00", False),
        ("2026-10-11T10:00", False),  # an ordinary Sunday
        ("2026-09-20T10:00", True),  # a Sunday that is a workday
    ],
)
def test_holidays_and_make_up_workdays_are_those_of_the_region(
    session: Session, settings: Settings, moment: str, is_open: bool
) -> None:
    office = make.device(session, opening_hours=OFFICE)

    answer = ask(session, settings, at=china(moment))

    assert ids(answer.devices if is_open else answer.unusable) == [office.id]


def test_a_holiday_in_a_year_that_the_calendar_does_not_hold_is_unknown(
    session: Session, settings: Settings
) -> None:
    make.device(session, opening_hours=OFFICE)

    (near,) = ask(session, settings, at=china("2031-10-01T10:00")).devices

    assert near.access.access is Access.UNKNOWN


def test_a_region_without_a_calendar_does_not_know_its_holidays(session: Session, settings: Settings) -> None:
    make.region(session, "XX-1", holiday_calendar=None)
    make.device(session, opening_hours=OFFICE, in_region="XX-1")

    (near,) = ask(session, settings, at=china("2026-10-01T10:00")).devices

    assert near.access.access is Access.UNKNOWN


def test_a_calendar_amended_over_http_changes_the_next_answer(
    session: Session, settings: Settings, client: TestClient
) -> None:
    make.device(session, opening_hours=OFFICE)
    administrator = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    moment = china("2026-10-01T10:00").isoformat()
    held = client.get("/v1/holidays/CN/2026")

    def state() -> Access:
        answer = get(client, at=moment)
        return (answer.devices or answer.unusable_now)[0].access.state

    assert state() is Access.CLOSED
    without = [day for day in held.json()["days"] if day["day"] != "2026-10-01"]
    amended = client.put(
        "/v1/holidays/CN/2026",
        json={"days": without},
        headers={**administrator, "If-Match": held.headers["ETag"]},
    )
    assert amended.status_code == 200
    assert state() is Access.OPEN
    dropped = client.delete(
        "/v1/holidays/CN/2026", headers={**administrator, "If-Match": amended.headers["ETag"]}
    )
    assert dropped.status_code == 204
    assert state() is Access.UNKNOWN


@pytest.mark.parametrize(
    ("zone", "moment", "is_offered"),
    [
        ("Asia/Shanghai", "2026-09-22T15:59:00", True),  # 23:59 there, still the day
        ("Asia/Shanghai", "2026-09-22T16:00:00", False),  # midnight there
        ("Europe/Vaduz", "2026-09-22T16:00:00", True),
        ("Europe/Vaduz", "2026-09-22T21:59:00", True),
        ("Europe/Vaduz", "2026-09-22T22:00:00", False),
    ],
)
def test_an_expired_device_is_never_offered(
    session: Session, settings: Settings, zone: str, moment: str, is_offered: bool
) -> None:
    """It is offered on its last day, and not from the next day on, in its region's time zone."""
    make.region(session, "ZZ-1", time_zone=zone)
    device = make.device(session, in_region="ZZ-1", pads_expire_on=date(2026, 9, 22))

    answer = ask(session, settings, at=datetime.fromisoformat(moment).replace(tzinfo=UTC))

    assert ids(answer.devices) == ([device.id] if is_offered else [])
    if not is_offered:
        (found,) = shown(answer, ANYONE, settings).last_resort
        assert found.readiness is Readiness.PADS_EXPIRED
        assert "pads expired: use it only if there is no other AED" in english(found)
        assert "电极片过期，仅在无其他 AED 时使用" in chinese(found)


def test_quarantined_and_withdrawn_devices_are_not_offered(session: Session, settings: Settings) -> None:
    make.device(session, state="out_of_service", out_of_service_reason="lid broken")
    gone = make.device(session)
    device_actions.withdraw_device(session, make.ADMINISTRATOR, gone.id, version=1, at=NOW)
    ready = make.device(session, at=north_of(PATIENT, metres=400))

    for viewer in (ANYONE, make.dispatcher(make.region(session)), make.ADMINISTRATOR):
        answer = ask(session, settings, viewer)
        assert ids(answer.devices) == [ready.id]
        assert answer.unusable == []


def test_a_recently_checked_device_has_a_higher_probability(session: Session, settings: Settings) -> None:
    unchecked = make.device(session, last_checked_on=None)
    checked = make.device(session, at=north_of(PATIENT, metres=30))
    long_ago = make.device(session, at=north_of(PATIENT, metres=400), last_checked_on=date(2026, 8, 17))

    answer = ask(session, settings)

    assert ids(answer.devices) == [checked.id, unchecked.id, long_ago.id]
    answered = shown(answer, ANYONE, settings)
    devices_shown = answered.devices
    assert [near.readiness for near in devices_shown] == [Readiness.CHECKED, Readiness.UNCHECKED]
    assert [near.readiness for near in answered.too_far] == [Readiness.UNCHECKED]
    assert "checked recently" in english(devices_shown[0])
    assert "近期巡检情况未知" in chinese(devices_shown[1])


def test_an_estate_keeps_its_own_time(
    session: Session, settings: Settings, client_on: Callable[[Settings], TestClient]
) -> None:
    estate = make.estate(session, time_zone="Asia/Urumqi")
    device = make.device(session, of=estate, opening_hours="10:00-19:00")
    session.commit()
    client = client_on(settings)

    assert [near.id for near in get(client, at="2026-09-22T11:30:00+08:00").unusable_now] == [device.id]
    assert [near.id for near in get(client, at="2026-09-22T12:30:00+08:00").devices] == [device.id]


def test_a_childs_expired_pads_do_not_take_the_device_out(session: Session, settings: Settings) -> None:
    device = make.device(session, pads_expire_on=date(2028, 1, 1))
    child_pads = ConsumableIn(kind=ConsumableKind.CHILD_PADS, expires_on=date(2020, 1, 1))
    device_actions.fit_consumable(session, make.ADMINISTRATOR, device.id, child_pads, at=NOW)

    assert ids(ask(session, settings).devices) == [device.id]
