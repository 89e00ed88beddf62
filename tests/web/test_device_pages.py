"""The page of a device: what a person beside it, and a stranger, are shown."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.permissions import Role, Viewer
from aed.accounts.sessions import SESSION_COOKIE
from aed.hours.evaluation import china_calendar
from aed.upkeep.rules import short_number
from aed.upkeep.signals.actions import NewSignal, receive_signal
from aed.upkeep.signals.rules import ReadingKind, Readings
from aed.web.week import week_of
from tests import make


@pytest.fixture
def browser(browser: dict[str, str]) -> dict[str, str]:
    return browser | {"Accept-Language": "en"}


def test_a_hidden_device_and_an_unknown_number_look_alike_to_a_stranger(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    estate = make.estate(session, name_en="Quiet Court")
    hidden = make.device(session, of=estate, audience="estate", place_en="Secret lobby")
    session.commit()
    code, other = short_number(hidden.id), short_number(hidden.id + 90_000)

    seen = client.get(f"/d/{code}", headers=browser)
    unknown = client.get(f"/d/{other}", headers=browser)

    assert seen.status_code == unknown.status_code == 404
    assert seen.text == unknown.text.replace(other, code)
    assert "Secret" not in seen.text
    assert "Quiet" not in seen.text
    assert f'href="/d/{code}/check"' in seen.text
    assert 'href="tel:120"' in seen.text


def test_a_public_device_is_shown_with_what_to_do_first(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    estate = make.estate(session, name_en="Heron Court", name_zh="白鹭苑")
    device = make.device(
        session,
        of=estate,
        place_en="Club house <script>",
        place_zh="会所",
        floor=1,
        access_instructions_en="Through the glass door",
        opening_hours="Mo-Fr 08:00-20:00",
        cabinet="alarmed",
    )
    session.commit()
    code = short_number(device.id)

    page = client.get(f"/d/{code}?from=singlemessage", headers=browser).text

    first = [page.index(each) for each in ('href="#use"', f"/d/{code}/check", f"/d/{code}/report")]
    assert first == sorted(first)
    assert page.index('href="tel:120"') < first[0]
    for each in ("Heron Court", "Through the glass door", "Last checked: 2026-09-21", "An alarm sounds"):
        assert each in page
    assert "<script>\n" not in page
    assert "Club house &lt;script&gt;" in page
    assert '<meta property="og:title" content="AED · Club house &lt;script&gt;">' in page
    assert page.count('class="strip"') == 7
    maps = re.findall(r'href="(https://[^"]+)"', page)
    assert [re.split(r"/+", each)[1] for each in maps] == [
        "uri.amap.com",
        "api.map.baidu.com",
        "apis.map.qq.com",
        "maps.apple.com",
        "www.google.com",
        "www.openstreetmap.org",
    ]
    assert "coordinate=gaode" in maps[0]
    assert "coord_type=bd09ll" in maps[1]
    in_wechat = client.get(f"/d/{code}", headers=browser | {"User-Agent": "x MicroMessenger/8"}).text
    assert in_wechat.index("apis.map.qq.com") < in_wechat.index("uri.amap.com")


def test_a_device_out_of_service_is_not_offered(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    device = make.device(session, state="out_of_service", out_of_service_reason="Being repaired")
    session.commit()
    page = client.get(f"/d/{short_number(device.id)}", headers=browser).text
    assert "Do not count on this AED" in page
    assert "Being repaired" in page


@pytest.mark.parametrize("code", ["1234-5", "abc", "%3Cscript%3E", "9" * 60, "%00"])
def test_a_mistyped_number_gets_a_sentence(client: TestClient, browser: dict[str, str], code: str) -> None:
    answer = client.get(f"/d/{code}", headers=browser)
    assert answer.status_code == 404
    assert "is not a number of an AED label" in answer.text
    assert "<script>" not in answer.text


def test_the_link_of_a_question_goes_on_to_the_page_that_answers_it(
    client: TestClient, browser: dict[str, str]
) -> None:
    answer = client.get("/d/ask_x", headers=browser, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/d/ask_x/check")


def test_without_a_database_the_page_shows_the_emergency_number(
    app: FastAPI, browser: dict[str, str]
) -> None:
    page = TestClient(app).get("/d/1234-4", headers=browser)
    assert page.status_code == 200
    assert 'href="tel:120"' in page.text


def test_the_week_names_holidays_and_make_up_workdays() -> None:
    calendar = china_calendar([2026])
    national = week_of("Mo-Fr 08:00-12:00,13:00-20:00; PH off", date(2026, 9, 30), calendar)
    assert [each.day for each in national] == [date(2026, 9, 30) + timedelta(days=n) for n in range(7)]
    assert national[0].is_today
    assert national[0].times == [("08:00", "12:00", True), ("13:00", "20:00", True)]
    assert [each.is_holiday for each in national] == [False, *[True] * 6]
    assert all(each.is_closed for each in national[1:])
    sunday = week_of("Mo-Fr 08:00-20:00; PH off", date(2026, 9, 20), calendar)[0]
    assert sunday.is_make_up_workday
    assert sunday.times == [("08:00", "20:00", True)]
    assert week_of(None, date(2026, 9, 30), calendar)[0].is_unknown
    assert week_of("24/7", date(2026, 9, 30), calendar)[3].is_all_day


def test_a_keeper_chooses_the_photo_that_shows_where_the_device_hangs(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    estate = make.estate(session)
    device = make.device(session, of=estate)
    hidden = make.device(session, of=estate, audience="estate")
    photos = [make.photo(session, of=make.check(session, each).check) for each in (device, device, hidden)]
    keeper = make.person(session)
    make.role(session, keeper, Role.KEEPER, estate=estate)
    key = make.sign_in(session, keeper.id)
    session.commit()
    code, secret = short_number(device.id), short_number(hidden.id)
    own = browser | {"Cookie": f"{SESSION_COOKIE}={key}", "Sec-Fetch-Site": "same-origin"}
    form = browser | {"Sec-Fetch-Site": "same-origin"}

    assert "Photo for everyone" not in client.get(f"/d/{code}", headers=browser).text
    address = f"/d/{code}/place-photo"
    assert client.post(address, data={"photo": str(photos[0].id)}, headers=form).status_code == 401
    assert client.get(f"/v1/devices/{device.id}/place-photo").status_code == 404
    seen = client.get(f"/d/{code}", headers=own).text
    assert re.findall(r'src="/v1/photos/(\d+)"', seen) == [str(photos[1].id), str(photos[0].id)]
    assert client.post(address, data={"photo": str(photos[2].id)}, headers=own).status_code == 404
    for each, number in ((code, photos[1].id), (secret, photos[2].id)):
        sent = client.post(
            f"/d/{each}/place-photo", data={"photo": str(number)}, headers=own, follow_redirects=False
        )
        assert (sent.status_code, sent.headers["location"]) == (303, f"/d/{each}")

    page = client.get(f"/d/{code}", headers=browser).text
    assert f'<img class="photo" src="/v1/devices/{device.id}/place-photo"' in page
    assert f'/v1/devices/{device.id}/place-photo">' in page
    photo = client.get(f"/v1/devices/{device.id}/place-photo")
    assert photo.headers["content-type"] == "image/jpeg"
    assert client.get(f"/v1/devices/{hidden.id}/place-photo").status_code == 404
    client.post(address, data={"photo": ""}, headers=own)
    assert "place-photo" not in client.get(f"/d/{code}", headers=browser).text


def test_signals_are_shown_to_those_who_keep_the_device_and_to_no_stranger(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    estate = make.estate(session)
    keeper = make.person_with_role(session, Role.KEEPER, estate=estate)
    device = make.device(session, of=estate)
    without = make.device(session, of=estate)
    said: Readings = {ReadingKind.BATTERY: 87.0, ReadingKind.DOOR: "open"}
    an_hour_ago = clock.now() - timedelta(minutes=61)
    receive_signal(session, Viewer(name="test"), device.id, NewSignal("1", an_hour_ago, said), at=clock.now())
    own = browser | {"Cookie": f"{SESSION_COOKIE}={make.sign_in(session, keeper.person_id or 0)}"}
    session.commit()
    address = f"/d/{short_number(device.id)}"

    assert "Signals" not in client.get(address, headers=browser).text
    page = re.sub(r"<[^>]*>", "", client.get(address, headers=own).text)
    for each in ("Last heard: 1 hour ago", "Battery level: 87 % 1 hour ago", "Cabinet door: open"):
        assert each in page
    other = f"/d/{short_number(without.id)}"
    assert "Signals" not in client.get(other, headers=own).text
