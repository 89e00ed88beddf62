"""Printed certificates, and the public check by QR code."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.certificates.awards.pdf import certificate_pdf
from aed.certificates.awards.queries import OnPaper
from aed.errors import InvalidInput, PaperNotMade, SigningKeysUnusable
from aed.files import typesetting
from aed.responders.models import Certificate, Responder
from aed.responders.rules import CertificateKind
from aed.settings import Settings
from aed.signatures import SigningKeys, TokenPurpose, add_key, opened, signed, signing_keys
from aed.training.attendance.sheet import SheetOf, sheet_pdf
from aed.training.enrolments import queries as enrolment_queries
from aed.training.models import TrainingSession
from tests import make
from tests.accounts.everyone import awarded, signed_in
from tests.make import ADMINISTRATOR, NOW
from tests.registry.conftest import Desk
from tests.training.reading import codes_on, words_on

NUMBER = "CPR-AED-2026-0A1B2C3D4E"
PAPER = OnPaper(
    number=NUMBER,
    name="王小明",
    person_id=1,
    kind=CertificateKind.CPR_AED,
    issuer="Office",
    issued_on=date(2026, 9, 22),
    valid_until=date(2028, 9, 21),
    revoked_at=None,
    course_zh="心肺复苏",
    course_en="Resuscitation",
    hours=4.0,
    emergency_number="120",
)
LATELY = datetime.now(UTC) - timedelta(days=10)


@pytest.fixture
def keys(tmp_path: Path) -> SigningKeys:
    return signing_keys(Settings(signing_keys=tmp_path / "keys.json"))


@pytest.fixture
def number(session: Session) -> str:
    """A certificate that an estate's training awarded ten days ago for two years."""
    home = make.estate(session)
    training = make.training(session, make.course(session, "CPR"), estate=home, starts_at=LATELY)
    found = awarded(session, training)
    session.commit()
    return found


def holder(session: Session, number: str) -> Person:
    found = session.scalars(
        select(Person)
        .join(Responder, Responder.person_id == Person.id)
        .join(Certificate, Certificate.responder_id == Responder.id)
        .where(Certificate.number == number)
    ).one()
    session.expunge(found)
    session.rollback()  # on SQLite an open read transaction blocks writers
    return found


# --- signatures -----------------------------------------------------------------------------------------


def test_a_signed_code_is_read_only_for_its_purpose_and_unaltered(keys: SigningKeys) -> None:
    token = signed(keys, TokenPurpose.CERTIFICATE, NUMBER)

    assert opened(keys, TokenPurpose.CERTIFICATE, token) == NUMBER
    assert opened(keys, TokenPurpose.PRESENCE, token) is None
    for place, letter in enumerate(token):
        other = "A" if letter != "A" else "B"
        altered = f"{token[:place]}{other}{token[place + 1 :]}"
        assert opened(keys, TokenPurpose.CERTIFICATE, altered) is None, place
    for nothing in ("", ".", "..", "a.b.c", token[:-1], f"{token}A", token + "=", "é" * 9, "x" * 5000):
        assert opened(keys, TokenPurpose.CERTIFICATE, nothing) is None


def test_an_unsigned_code_or_one_of_another_network_is_refused(keys: SigningKeys, tmp_path: Path) -> None:
    others = signing_keys(Settings(signing_keys=tmp_path / "others.json"))
    token = signed(others, TokenPurpose.CERTIFICATE, NUMBER)
    header, payload, _ = signed(keys, TokenPurpose.CERTIFICATE, NUMBER).split(".")
    unsigned = "eyJhbGciOiJub25lIn0"  # {"alg":"none"}

    assert opened(keys, TokenPurpose.CERTIFICATE, token) is None
    assert opened(keys, TokenPurpose.CERTIFICATE, f"{unsigned}.{payload}.") is None
    assert opened(keys, TokenPurpose.CERTIFICATE, f"{header}.{payload}.{token.split('.')[2]}") is None


def test_a_new_key_signs_and_earlier_keys_still_verify(tmp_path: Path) -> None:
    settings = Settings(signing_keys=tmp_path / "deep" / "keys.json")
    first = signing_keys(settings)
    token = signed(first, TokenPurpose.CERTIFICATE, NUMBER)

    both = add_key(settings)

    assert len(both.ids) == 2
    assert both.ids[1:] == first.ids
    assert signing_keys(settings).ids == both.ids, "the keys are reloaded when the file changes"
    assert opened(both, TokenPurpose.CERTIFICATE, token) == NUMBER
    assert opened(first, TokenPurpose.CERTIFICATE, signed(both, TokenPurpose.CERTIFICATE, NUMBER)) is None
    assert settings.signing_keys.stat().st_mode & 0o077 == 0, "readable only by its owner"


def test_the_keys_may_come_from_the_environment(tmp_path: Path) -> None:
    kept = Settings(signing_keys=tmp_path / "keys.json")
    ids = signing_keys(kept).ids
    given = Settings(
        signing_keys=tmp_path / "none.json", signing_key_set=SecretStr(kept.signing_keys.read_text())
    )

    assert signing_keys(given).ids == ids
    assert not (tmp_path / "none.json").exists()
    assert '"d"' not in repr(given)
    with pytest.raises(InvalidInput, match="Add the new key as the first"):
        add_key(given)


@pytest.mark.parametrize(
    "text", ["", "{}", '{"keys": []}', '{"keys": [1]}', '{"keys": [{"kty": "OKP", "crv": "X25519"}]}', "[]"]
)
def test_invalid_keys_are_reported_in_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.json").write_text(text)

    with pytest.raises(SigningKeysUnusable, match=r"cannot be used .* Inform the operator of this server"):
        signing_keys(Settings(signing_keys=tmp_path / "keys.json"))


def test_a_public_key_alone_signs_nothing(tmp_path: Path, keys: SigningKeys) -> None:
    public = {"keys": [each.as_dict(private=False) for each in keys.keys]}
    (tmp_path / "public.json").write_text(json.dumps(public))

    with pytest.raises(SigningKeysUnusable, match="private"):
        signing_keys(Settings(signing_keys=tmp_path / "public.json"))


# --- PDF ------------------------------------------------------------------------------------------------


ADDRESS = "https://aed.example.org/v1/check/"


def test_a_certificate_is_one_reproducible_page_in_two_languages(keys: SigningKeys) -> None:
    address = ADDRESS + signed(keys, TokenPurpose.CERTIFICATE, NUMBER)

    first = certificate_pdf(PAPER, address=address)

    (text,) = words_on(first)
    for words in (
        *("王小明", "《心肺复苏》培训（4 学时）", "2026 年 9 月 22 日", "2028 年 9 月 21 日", "拨打 120"),
        *("Resuscitation (4 hours)", NUMBER, "22 September 2026", "21 September 2028", "call 120 first"),
    ):
        assert words in text
    assert codes_on(first) == [address]
    assert certificate_pdf(PAPER, address=address) == first


@pytest.mark.parametrize("name", ["#panic()", "*_$`@<x>\\", '"quoted"', "Nguyễn " * 25, "𠮷野家", "Иван"])
def test_any_name_is_printed_as_plain_text(name: str) -> None:
    (text,) = words_on(certificate_pdf(PAPER._replace(name=name), address=ADDRESS))
    assert name.split()[0] in text


def test_a_sign_in_sheet_has_a_line_for_each_active_enrolment(session: Session) -> None:
    odd = NOW + timedelta(days=9, microseconds=7)
    training = make.training(session, make.course(session, "CPR"), capacity=2, starts_at=odd)
    names = ("王小明", "李华", "张三")
    for name in names:
        make.enrolment(session, training, name, phone=f"+86 571 5550 300{len(name)}")
    people = enrolment_queries.roster(session, ADMINISTRATOR, training.id)

    (text,) = words_on(sheet_pdf(SheetOf(training, people)))
    assert [text.index(name) for name in names] == sorted(text.index(name) for name in names)
    assert "+86 571 5550 3003" in text
    assert text.count("候补 waiting") == 1, "people on the waiting list are marked as waiting"
    assert len(words_on(sheet_pdf(SheetOf(training, people * 30)))) > 1
    assert "签到表" in words_on(sheet_pdf(SheetOf(training, [])))[0]


def test_a_missing_chinese_font_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typesetting, "FONT", "No Such Font")  # no fonts from this machine
    typesetting._fonts.cache_clear()
    try:
        with pytest.raises(PaperNotMade, match="fonts-noto-cjk"):
            certificate_pdf(PAPER, address="https://aed.example.org/x")
    finally:
        typesetting._fonts.cache_clear()


# --- over HTTP ------------------------------------------------------------------------------------------


def test_the_certificate_is_for_the_holder_and_those_who_run_the_training(
    session: Session, number: str, client: TestClient, nobody: Desk, desk_of: Callable[..., Desk]
) -> None:
    path = f"/v1/certificates/{number}.pdf"
    holding = holder(session, number)
    stranger, officer = make.person(session), make.person(session)
    make.role(session, officer, Role.TRAINING_OFFICER, region=make.region(session))
    headers = [signed_in(session, each) for each in (stranger, holding, officer)]
    other = make.estate(session)
    session.commit()

    assert nobody.get(path).status_code == 401
    assert client.get(path, headers=headers[0]).status_code == 403
    assert desk_of(other).get(path).status_code == 403
    for who in headers[1:]:
        answer = client.get(path, headers=who)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
        assert holding.name in words_on(answer.content)[0]
    missing = client.get("/v1/certificates/CPR-2026-0000000000.pdf", headers=headers[2])
    assert missing.status_code == 404


def code_on(client: TestClient, settings: Settings, number: str) -> str:
    return signed(signing_keys(settings), TokenPurpose.CERTIFICATE, number)


def test_anyone_who_scans_the_code_learns_only_whether_it_is_valid(
    session: Session, number: str, office: Desk, client: TestClient
) -> None:
    (printed,) = codes_on(office.get(f"/v1/certificates/{number}.pdf").content)
    path = printed.removeprefix("http://testserver")

    reply = client.get(path)
    page = client.get(path, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})

    assert reply.json() == {
        "is_valid": True,
        "holder": reply.json()["holder"],
        "valid_until": reply.json()["valid_until"],
    }
    name = holder(session, number).name
    assert name not in reply.text + page.text
    assert "有效 Valid" in page.text
    assert reply.json()["holder"] in page.text
    assert (page.headers["content-type"], page.headers["cache-control"]) == (
        "text/html; charset=utf-8",
        "private, no-store",
    )
    assert "default-src 'none'" in page.headers["content-security-policy"]

    assert office.delete(f"/v1/certificates/{number}?reason=Mistaken").status_code == 204
    assert client.get(path).json()["is_valid"] is False
    assert "无效 Not valid" in client.get(path, headers={"Accept": "text/html"}).text
    assert office.get(f"/v1/certificates/{number}.pdf").status_code == 409, (
        "a revoked certificate is not printed"
    )


def test_a_forged_or_altered_code_is_not_valid(
    number: str, client: TestClient, settings: Settings, tmp_path: Path
) -> None:
    forger = signing_keys(Settings(signing_keys=tmp_path / "forger.json"))
    ours = code_on(client, settings, number)
    unknown = code_on(client, settings, "CPR-2026-0000000000")
    forged: list[Any] = [
        signed(forger, TokenPurpose.CERTIFICATE, number),
        ours[:-2] + ("AA" if ours[-2:] != "AA" else "BB"),
        signed(signing_keys(settings), TokenPurpose.PRESENCE, number),
        unknown,
        "anything",
    ]

    for token in forged:
        reply = client.get(f"/v1/check/{token}")
        assert (reply.status_code, reply.json()) == (
            200,
            {"is_valid": False, "holder": None, "valid_until": None},
        )
        assert "无效 Not valid" in client.get(f"/v1/check/{token}", headers={"Accept": "text/html"}).text


def test_a_certificate_is_valid_on_its_last_day_and_not_on_the_day_after(
    session: Session, number: str, client: TestClient, settings: Settings
) -> None:
    path = f"/v1/check/{code_on(client, settings, number)}"
    certificate = session.scalars(select(Certificate).where(Certificate.number == number)).one()
    in_china = datetime.now(UTC) + timedelta(hours=8)
    for until, valid in ((in_china.date(), True), (in_china.date() - timedelta(days=1), False)):
        certificate.valid_until = until
        session.commit()
        assert client.get(path).json()["is_valid"] is valid


def test_the_published_keys_verify_a_code_offline(
    number: str, client: TestClient, settings: Settings
) -> None:
    from joserfc import jws
    from joserfc.jwk import KeySet

    token = code_on(client, settings, number)

    jwks = client.get("/v1/certificates/jwks.json").json()

    assert all(each.keys() == {"crv", "x", "kty", "kid", "use", "alg"} for each in jwks["keys"])
    found = jws.deserialize_compact(token, KeySet.import_key_set(jwks), algorithms=["Ed25519"])
    assert bytes(found.payload).decode() == number


def test_an_old_code_stays_valid_after_adding_a_key_without_a_restart(
    number: str, client: TestClient, settings: Settings
) -> None:
    path = f"/v1/check/{code_on(client, settings, number)}"
    assert client.get(path).json()["is_valid"]

    add_key(settings)

    assert client.get(path).json()["is_valid"]
    assert len(client.get("/v1/certificates/jwks.json").json()["keys"]) == 2


def test_the_sign_in_sheet_is_for_those_who_run_the_session(
    session: Session, nobody: Desk, desk_of: Callable[..., Desk]
) -> None:
    home, other = make.estate(session), make.estate(session)
    training: TrainingSession = make.training(session, estate=home, starts_at=NOW + timedelta(days=3))
    make.enrolment(session, training, at=NOW)
    session.commit()
    path = f"/v1/sessions/{training.id}/sheet.pdf"

    assert nobody.get(path).status_code == 404
    assert desk_of(other).get(path).status_code == 404
    assert desk_of(home, writes=False).get(path).status_code == 403
    answer = desk_of(home).get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert "签到表" in words_on(answer.content)[0]
