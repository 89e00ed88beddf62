"""My page: offering to help, pausing, joining an estate, one's own data, and erasing it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.accounts.role_grants import RoleGrant
from aed.accounts.sessions import CSRF_HEADER, SESSION_COOKIE, csrf_token
from aed.certificates.models import CertificateDeclaration
from aed.geo import coordinates_in
from aed.incidents.models import Alert
from aed.incidents.rules import AlertState
from aed.notifications.models import OutboxMessage
from aed.responders.models import Certificate, Responder, ResponderPlace
from aed.responders.rules import CertificateTrust, ResponderState
from aed.settings import Settings
from aed.settings.messages import WebPush
from aed.web.my_page.rules import call_words, pause_end
from tests import make
from tests.apps import app_on
from tests.make import NOW, PATIENT

HEADERS = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html", "Accept-Language": "en"}

type SignIn = Callable[[Person | None], TestClient]


@pytest.fixture
def phone_of(settings: Settings, session: Session) -> Iterator[SignIn]:
    """Yield a function that opens the browser of a person, or of a stranger."""
    with TestClient(app_on(settings)) as opened:

        def new(person: Person | None) -> TestClient:
            client = TestClient(
                opened.app, base_url="https://testserver", headers=HEADERS, follow_redirects=False
            )
            if person is not None:
                key = make.sign_in(session, person.id)
                client.cookies.set(SESSION_COOKIE, key)
                client.headers[CSRF_HEADER] = csrf_token(key)
            session.commit()
            return client

        yield new


@pytest.mark.parametrize(
    ("state", "accepted", "there", "words"),
    [
        (AlertState.THERE, True, True, "You were with the patient"),
        (AlertState.STOPPED, True, True, "You were with the patient"),
        (AlertState.DECLINED, True, False, "You could not come"),
        (AlertState.ON_THE_WAY, True, False, "You said that you come"),
        (AlertState.SEEN, False, False, "Not answered"),
        (AlertState.STOOD_DOWN, True, False, "Enough others came"),
        (AlertState.STOPPED, True, False, "The call ended while you were on your way"),
        (AlertState.STOPPED, False, False, "The call ended before you answered"),
    ],
)
def test_the_end_of_a_call_is_said_as_it_was_for_the_person(
    state: AlertState, accepted: bool, there: bool, words: str
) -> None:
    alert = Alert(state=state, accepted_at=NOW if accepted else None, there_at=NOW if there else None)
    assert call_words(alert) == words


def links_sent(session: Session) -> list[str]:
    """Return the short links in the outbox, oldest first."""
    session.rollback()
    texts = session.scalars(select(OutboxMessage.text_en).order_by(OutboxMessage.id)).all()
    session.rollback()
    return [found[0] for each in texts if each and (found := re.search(r"/l/\w+", each))]


def test_a_stranger_is_led_to_sign_in(phone_of: SignIn) -> None:
    stranger = phone_of(None)
    for path in ("/me", "/me/offer", "/me/certificate", "/certificates", "/me/data", "/me/erasure"):
        assert stranger.get(path).headers["location"] == f"/sign-in?next={path}"
    refused = stranger.get("/me/data.json")
    assert (refused.status_code, 'href="/sign-in?next=/me/data.json"' in refused.text) == (401, True)
    for path in ("/me/offer", "/me/offer/withdrawal", "/me/estate", "/me/certificate", "/me/erasure"):
        assert stranger.post(path, data={"consent": "yes", "is_sure": "yes"}).status_code == 401


@pytest.mark.parametrize("days", [1, 7, 30])
def test_a_pause_lasts_as_many_days_as_its_choice_says(days: int) -> None:
    assert pause_end(days, at=NOW) == NOW + timedelta(days=days)
    assert pause_end(days + 1, at=NOW) is None, "no choice of the page"


def test_one_offers_to_help_pauses_and_withdraws(phone_of: SignIn, session: Session) -> None:
    estate = make.estate(session, name_en="Heron Court")
    make.device(session, at=PATIENT, of=estate)
    volunteer = make.person(session)
    phone = phone_of(volunteer)
    form = {"estate": str(estate.id), "hours": "24/7", "of_age": "yes", "floor": "3"}

    assert "Heron Court" in phone.get("/me/offer").text
    without = phone.post("/me/offer", data=form)
    assert (without.status_code, "nobody may call you" in without.text) == (422, True)
    assert phone.post("/me/offer", data=form | {"consent": "yes"}).status_code == 303

    page = phone.get("/me").text
    assert "once you have a valid first-aid certificate" in page
    entry = session.scalars(select(Responder).where(Responder.person_id == volunteer.id)).one()
    assert (entry.state, entry.estate_id, entry.of_age) == (ResponderState.ACTIVE, estate.id, True)
    session.rollback()
    phone.post("/me/offer/pause", data={"days": "7"})
    assert "Paused until" in phone.get("/me").text
    phone.post("/me/offer/pause", data={"days": "0"})
    assert "Paused until" not in phone.get("/me").text
    moved = form | {"consent": "yes", "position": "30.30, 120.11", "hours": "Mo-Fr 08:00-18:00"}
    assert phone.post("/me/offer", data=moved).status_code == 303
    assert session.scalars(select(ResponderPlace.floor)).all() == [3]
    session.rollback()
    assert "30.30000, 120.11000" in phone.get("/me/offer").text
    phone.post("/me/offer/withdrawal")
    assert session.scalars(select(ResponderPlace)).all() == []
    session.rollback()
    assert "Stop helping" not in phone.get("/me").text


def test_a_person_on_an_imported_list_confirms_the_offer_before_changing_it(
    phone_of: SignIn, session: Session
) -> None:
    entry = session.get_one(Responder, make.responder(session))
    phone = phone_of(session.get_one(Person, entry.person_id))
    page = phone.get("/me").text
    assert "A list names you" in page
    assert "Pause calls" not in page
    form = {"position": "30.29, 120.10", "hours": "24/7", "consent": "yes"}
    assert phone.post("/me/offer", data=form).status_code == 303
    page = phone.get("/me").text
    assert "Pause calls" in page
    assert "Younger people are not called" in page
    assert "You can be called" not in page
    phone.post("/me/offer", data=form | {"of_age": "yes"})
    assert "You can be called" in phone.get("/me").text


@pytest.mark.parametrize("position", ["", "abc", "91, 500", "<script>", "1e999 2"])
def test_an_offer_needs_a_place(phone_of: SignIn, session: Session, position: str) -> None:
    phone = phone_of(make.person(session))
    answer = phone.post("/me/offer", data={"consent": "yes", "position": position, "hours": "nonsense"})
    assert answer.status_code == 422
    assert "Choose your estate" in answer.text
    assert "<script>" not in answer.text


def test_coordinates_alone_find_the_region(phone_of: SignIn, session: Session) -> None:
    estate = make.estate(session)
    phone = phone_of(make.person(session))
    answer = phone.post("/me/offer", data={"consent": "yes", "position": "30.29, 120.10", "hours": "x"})
    assert answer.status_code == 303
    entry = session.scalars(select(Responder)).one()
    assert (entry.region_id, entry.estate_id, entry.availability) == (estate.region_id, None, "24/7")


def test_the_manager_confirms_by_link_who_lives_there(phone_of: SignIn, session: Session) -> None:
    estate = make.estate(session, name_en="Heron Court", name_zh="白鹭苑")
    manager, neighbour = make.person(session), make.person(session, name="Lin")
    make.role(session, manager, Role.ESTATE_MANAGER, estate=estate)
    phone, stranger = phone_of(neighbour), phone_of(None)
    neighbour_id, manager_id = neighbour.id, manager.id

    answers = [phone.post("/me/estate", data={"name": name}) for name in ("heron court", "No such estate")]

    assert [each.headers["location"] for each in answers] == ["/me?asked=1#estate"] * 2
    (link,) = links_sent(session)
    page = stranger.get(stranger.get(link).headers["location"])
    assert "Lin" in page.text
    assert "Heron Court" in page.text
    address = str(page.url.path)
    guessed = address.rpartition("/")[0] + "/wrong"
    assert stranger.post(guessed, data={"answer": "yes"}).status_code == 410
    other = address.replace(f"/residence/{neighbour_id}/", f"/residence/{manager_id}/")
    assert stranger.post(other, data={"answer": "yes"}).status_code == 410
    from_elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert stranger.post(address, data={"answer": "yes"}, headers=from_elsewhere).status_code == 403
    assert stranger.post(address, data={"answer": "no"}).status_code == 200
    for _double_tap in range(2):
        assert "is now a resident" in stranger.post(address, data={"answer": "yes"}).text
    held = select(RoleGrant.role, RoleGrant.granted_by).where(RoleGrant.person_id == neighbour_id)
    assert session.execute(held).all() == [(Role.RESIDENT, f"person:{manager_id}")]
    session.rollback()
    assert "Heron Court" in phone.get("/me").text


def test_the_manager_finds_the_agreements_of_the_estate(phone_of: SignIn, session: Session) -> None:
    manager, stranger = make.person(session), make.person(session)
    make.role(session, manager, Role.ESTATE_MANAGER, estate=make.estate(session))

    assert 'href="/agreements"' in phone_of(manager).get("/me").text
    assert 'href="/agreements"' not in phone_of(stranger).get("/me").text


def test_a_former_manager_cannot_confirm(phone_of: SignIn, session: Session) -> None:
    estate = make.estate(session, name_en="Heron Court")
    manager, neighbour = make.person(session), make.person(session)
    grant = make.role(session, manager, Role.ESTATE_MANAGER, estate=estate)
    phone = phone_of(neighbour)
    phone.post("/me/estate", data={"name": "Heron Court"})
    (link,) = links_sent(session)
    session.get_one(RoleGrant, grant.id).revoked_at = clock.now()
    session.get_one(RoleGrant, grant.id).revoked_by = "office"
    session.commit()
    path = phone.get(link).headers["location"]
    assert phone.post(path, data={"answer": "yes"}).status_code == 403


def test_reminders_to_managers_end(phone_of: SignIn, session: Session) -> None:
    phone = phone_of(make.person(session))
    asked = [phone.post("/me/estate", data={"name": "%"}).status_code for _ in range(4)]
    assert asked == [303, 303, 303, 429]


def test_certificates_training_and_calls_are_listed(phone_of: SignIn, session: Session) -> None:
    card = make.responder(session, valid_until=date(2020, 5, 1))
    holder = session.get_one(Person, session.get_one(Responder, card).person_id)
    make.alert(session, make.incident(session), holder)
    learner = session.get_one(Person, make.enrolment(session, make.training(session)).person_id)

    page, learners = (phone_of(each).get("/me").text for each in (holder, learner))

    for words in ("CPR and AED", "2020-05-01", "Expired", "Call to a patient", "Not answered"):
        assert words in page, words
        assert words not in learners
    assert "You have a place" in learners


CARD = {"kind": "first_aid", "issuer": "City Red Cross", "number": "RC-77", "valid_until": "2099-03-01"}


def declare(phone: TestClient, estate: int, /, *, photo: bytes | None = None, **given: str) -> Response:
    sent = {"photo": ("card.jpg", make.jpeg() if photo is None else photo, "image/jpeg")}
    answer: Response = phone.post(
        "/me/certificate", data=CARD | {"estate_id": str(estate)} | given, files=sent
    )
    return answer


def test_a_declared_certificate_waits_until_the_manager_has_compared_it(
    phone_of: SignIn, session: Session
) -> None:
    estate = make.estate(session)
    make.device(session, at=PATIENT, of=estate)
    holder, manager, stranger = (
        make.person(session, name="Yun Hua"),
        make.person(session),
        make.person(session),
    )
    make.role(session, manager, Role.ESTATE_MANAGER, estate=estate)
    phone, desk, other = phone_of(holder), phone_of(manager), phone_of(stranger)

    assert declare(phone, estate.id).status_code == 303
    assert "Waits to be confirmed" in phone.get("/me").text
    assert session.scalars(select(Certificate)).all() == []
    declared = session.scalars(select(CertificateDeclaration)).one()
    number, photo = declared.id, f"/me/certificate/{declared.id}/photo"
    assert "Please confirm it" in (session.scalars(select(OutboxMessage.text_en)).one() or "")
    session.rollback()
    assert (phone.get(photo).status_code, desk.get(photo).status_code) == (200, 200)
    assert (other.get(photo).status_code, phone_of(None).get(photo).status_code) == (404, 404)
    assert "None waits for you" in other.get("/certificates").text
    for visitor in (other, phone):
        answer = visitor.post(f"/certificates/{number}", data={"answer": "yes"})
        assert answer.status_code == 404, "nobody confirms their own"

    assert "Certificates of others to confirm: 1" in desk.get("/me").text
    assert "Yun Hua" in desk.get("/certificates").text
    listed = desk.get("/v1/certificate-declarations").json()["declarations"]
    assert [(each["name"], each["issuer"], each["state"]) for each in listed] == [
        ("Yun Hua", "City Red Cross", "pending")
    ]
    for _ in range(2):
        assert desk.post(f"/certificates/{number}", data={"answer": "yes"}).status_code == 303
    held = session.scalars(select(Certificate)).one()
    assert (held.issuer, held.number, held.trust) == ("City Red Cross", "RC-77", CertificateTrust.DOCUMENTED)
    session.rollback()
    assert desk.post(f"/certificates/{number}", data={"answer": "no"}).status_code == 409
    assert desk.get(photo).status_code == 404, "the photo is deleted with the decision"
    assert "Valid" in phone.get("/me").text


def test_a_certificate_that_does_not_match_calls_nobody(phone_of: SignIn, session: Session) -> None:
    estate = make.estate(session)
    make.device(session, at=PATIENT, of=estate)
    holder, trainer = make.person(session), make.person(session)
    make.role(session, trainer, Role.TRAINING_OFFICER, region=make.region(session))
    phone, desk = phone_of(holder), phone_of(trainer)
    declare(phone, estate.id)
    number = session.scalars(select(CertificateDeclaration.id)).one()
    session.rollback()
    path = f"/v1/certificate-declarations/{number}/decision"
    assert phone.post(path, json={"decision": "confirm"}).status_code == 404
    assert desk.post(path, json={"decision": "refuse"}).json()["state"] == "refused"
    assert session.scalars(select(Certificate)).all() == []
    session.rollback()
    assert "Not confirmed" in phone.get("/me").text
    assert phone.post("/me/erasure", data={"is_sure": "yes"}).status_code == 200
    assert session.scalars(select(CertificateDeclaration)).all() == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"valid_until": "2020-01-01"}, "has expired"),
        ({"valid_until": "soon"}, "last day on which the card is valid"),
        ({"issued_on": "2099-12-01"}, "before the card runs out"),
        ({"issuer": " "}, "who issued the card"),
        ({"kind": "<script>"}, "what the card is for"),
        ({"estate_id": "999999"}, "whose manager can confirm"),
        ({"photo": b""}, "Add a photo"),
        ({"photo": b"no picture"}, "cannot be read"),
    ],
)
def test_an_invalid_certificate_field_has_its_error_beside_it(
    phone_of: SignIn, session: Session, given: dict[str, Any], sentence: str
) -> None:
    estate = make.estate(session)
    make.device(session, at=PATIENT, of=estate)
    answer = declare(phone_of(make.person(session)), estate.id, **given)
    assert (answer.status_code, sentence in answer.text) == (422, True), answer.text
    assert "aria-invalid" in answer.text
    assert 'value="RC-77"' in answer.text, "what was typed is kept"
    assert session.scalars(select(CertificateDeclaration)).all() == []


def test_certificates_are_not_declared_without_end(phone_of: SignIn, session: Session) -> None:
    estate = make.estate(session)
    make.device(session, at=PATIENT, of=estate)
    phone = phone_of(make.person(session))
    answers = [declare(phone, estate.id, number=f"RC-{each}").status_code for each in range(6)]
    assert answers == [303] * 5 + [409]


def test_ones_data_is_a_page_and_a_file(phone_of: SignIn, session: Session) -> None:
    member, other = make.person(session, name="Lin <b>"), make.person(session, name="Nobody else")
    phone = phone_of(member)
    page, file = phone.get("/me/data"), phone.get("/me/data.json")
    assert "Lin &lt;b&gt;" in page.text
    assert "Nobody else" not in page.text + file.text
    assert file.json()["person_id"] == member.id != other.id
    assert "attachment" in file.headers["content-disposition"]
    assert page.headers["cache-control"] == file.headers["cache-control"] == "no-store"


def test_erasing_asks_twice(phone_of: SignIn, session: Session) -> None:
    member = make.person(session, name="Lin")
    phone = phone_of(member)
    unsure = phone.post("/me/erasure")
    assert (unsure.status_code, "Tick the box" in unsure.text) == (422, True)
    done = phone.post("/me/erasure", data={"is_sure": "yes"})
    assert "has been erased" in done.text
    assert phone.get("/me").status_code == 303
    session.refresh(member)
    assert (member.phone, member.erased_at is not None) == (None, True)


def test_coordinates() -> None:
    assert coordinates_in("30.29，120.10") == (30.29, 120.10)
    assert coordinates_in(" ") is None


def test_the_site_can_be_installed(phone_of: SignIn) -> None:
    stranger = phone_of(None)
    manifest = stranger.get("/app.webmanifest?lang=zh-CN")
    assert manifest.headers["content-type"] == "application/manifest+json"
    found = manifest.json()
    assert (found["start_url"], found["scope"], found["lang"]) == ("/", "/", "zh-CN")
    for icon in found["icons"]:
        image = stranger.get(icon["src"])
        assert image.content.startswith(b"\x89PNG")
    assert '<link rel="manifest" href="/app.webmanifest' in stranger.get("/sign-in").text


def test_push_is_offered_where_it_is_configured(settings: Settings, session: Session) -> None:
    member = make.person(session)
    key = make.sign_in(session, member.id)
    session.commit()
    pushes = settings.model_copy(update={"web_push": WebPush(private_key=SecretStr("A" * 42 + "E"))})
    for given, is_offered in ((settings, False), (pushes, True)):
        with TestClient(app_on(given), base_url="https://testserver", headers=HEADERS) as phone:
            phone.cookies.set(SESSION_COOKIE, key)
            assert ('data-key=""' not in phone.get("/me").text) is is_offered
