"""Second factors: people who need one, rights of a session without one, and recovery after loss."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import cbor2
import pyotp
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi.testclient import TestClient
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session
from webauthn.helpers import bytes_to_base64url

from aed import clock
from aed.accounts.permissions import Role
from aed.accounts.regions.models import Region
from aed.accounts.second_factors import actions as second_factors
from aed.accounts.security_log import SecurityEvent
from aed.accounts.sessions import SESSION_COOKIE, SignIn, people_by_session
from aed.accounts.sign_in.models import RecoveryCode, SecondFactor
from aed.accounts.tokens import hash_key
from aed.settings import Settings
from tests import make
from tests.accounts.conftest import Browser, reset_attempts
from tests.apps import app_on
from tests.make import ADMINISTRATOR

PHONE, PASSWORD = "+86 138 0013 8000", "four words are enough"
SITE = "https://testserver"
type Browsers = Callable[[], Browser]


def dispatcher(session: Session, *, demands: str | None = None) -> int:
    """Add a dispatcher of CN-33 in CN; `demands` names the region that requires a second factor, if any."""
    above, here = make.region(session, "CN"), make.region(session, "CN-33", parent="CN")
    for region in (above, here):
        region.needs_second_factor = region.code == demands
    person = make.person(session, phone=PHONE, password=PASSWORD)
    make.role(session, person, Role.DISPATCHER, region=here)
    session.commit()
    return person.id


def state(own: Browser) -> dict[str, Any]:
    found: dict[str, Any] = own.client.get("/v1/sign-in/second-factor").json()
    return found


def add_app(own: Browser) -> tuple[pyotp.TOTP, list[str]]:
    made = own.client.post("/v1/me/second-factors/app", json={"name": "telephone"}, headers=own.csrf).json()
    app = pyotp.TOTP(made["secret"])
    assert made["uri"].startswith("otpauth://totp/")
    path = f"/v1/me/second-factors/{made['id']}/confirm"
    assert own.client.post(path, json={"code": "000000"}, headers=own.csrf).status_code == 401
    done = own.client.post(path, json={"code": app.now()}, headers=own.csrf)
    assert done.status_code == 200, done.text
    return app, done.json()["recovery_codes"]


def give(own: Browser, code: str) -> int:
    return own.client.post("/v1/sign-in/second-factor", json={"code": code}, headers=own.csrf).status_code


def next_code(session: Session, app: pyotp.TOTP) -> str:
    """Return the next code as if the last one had been used long ago, without waiting half a minute."""
    session.rollback()
    session.execute(update(SecondFactor).values(last_step=None))
    session.commit()
    return app.now()


@pytest.mark.parametrize("demands", ["CN", "CN-33"])
def test_where_a_region_requires_it_a_dispatcher_can_do_nothing_before_the_second_factor(
    browser: Browsers, session: Session, demands: str
) -> None:
    dispatcher(session, demands=demands)
    own = browser()

    assert own.sign_in(PHONE, password=PASSWORD).json()["needs_second_factor"] is True
    assert own.me()["role"] == "anyone"
    assert own.client.get("/v1/incidents").status_code == 401
    assert own.client.get("/v1/sign-in/sessions").status_code == 401
    assert state(own) == {**state(own), "is_needed": True, "factors": [], "recovery_codes_left": 0}
    held = people_by_session(session, [hash_key(own.client.cookies[SESSION_COOKIE])], at=clock.now())
    assert held == {}, "and the phone does not share its position"
    session.rollback()

    app, codes = add_app(own)
    assert own.me()["role"] == "dispatcher", "the first factor is added in the session that requires one"
    assert len(set(codes)) == 10
    other = browser()
    other.sign_in(PHONE, password=PASSWORD)
    assert other.client.get("/v1/incidents").status_code == 401
    assert give(other, "000000") == 401
    assert give(other, next_code(session, app)) == 204
    assert other.client.get("/v1/incidents").status_code == 200


def test_other_people_need_a_second_factor_only_if_they_have_one(browser: Browsers, session: Session) -> None:
    dispatcher(session)
    own, other = browser(), browser()
    assert own.sign_in(PHONE, password=PASSWORD).json()["needs_second_factor"] is False
    other.sign_in(PHONE, password=PASSWORD)
    assert own.me()["role"] == "dispatcher"

    add_app(own)

    assert own.me()["role"] == "dispatcher"
    assert other.me()["role"] == "anyone", "sessions without a second factor have ended"
    assert other.sign_in(PHONE, password=PASSWORD).json()["needs_second_factor"] is True


def test_a_new_requirement_applies_to_open_sessions(browser: Browsers, session: Session) -> None:
    dispatcher(session)
    own = browser()
    own.sign_in(PHONE, password=PASSWORD)
    assert own.me()["role"] == "dispatcher"

    session.execute(update(Region).values(needs_second_factor=True))
    session.commit()

    assert own.me()["role"] == "anyone"
    assert state(own)["is_needed"] is True
    add_app(own)
    assert own.me()["role"] == "dispatcher"


def test_a_network_administrator_needs_a_second_factor_once_any_region_requires_it(
    browser: Browsers, session: Session
) -> None:
    make.region(session).needs_second_factor = True
    person = make.person(session, phone=PHONE, password=PASSWORD)
    make.role(session, person, Role.ADMINISTRATOR)
    resident = make.person(session, phone="+86 138 0013 8001", password=PASSWORD)
    make.role(session, resident, Role.RESIDENT, estate=make.estate(session))
    session.commit()

    assert browser().sign_in(PHONE, password=PASSWORD).json()["needs_second_factor"] is True
    answer = browser().sign_in("+86 138 0013 8001", password=PASSWORD).json()
    assert answer["needs_second_factor"] is False


def test_a_code_and_a_recovery_code_are_accepted_once(browser: Browsers, session: Session) -> None:
    dispatcher(session)
    own, again, third = browser(), browser(), browser()
    own.sign_in(PHONE, password=PASSWORD)
    app, (first, *_) = add_app(own)
    for each in (again, third):
        each.sign_in(PHONE, password=PASSWORD)

    assert give(again, app.now()) == 401, "the code that set up the app"
    assert give(again, first.upper()) == 204
    assert give(third, first) == 401
    assert state(again)["recovery_codes_left"] == 9
    rows = str(session.execute(text("SELECT secret FROM second_factors")).all())
    assert app.secret not in rows, "sealed"
    assert session.scalar(select(func.count()).where(RecoveryCode.used_at.is_not(None))) == 1


def test_guesses_of_a_second_factor_are_limited(browser: Browsers, session: Session) -> None:
    dispatcher(session)
    own = browser()
    own.sign_in(PHONE, password=PASSWORD)
    add_app(own)
    thief = browser()
    thief.sign_in(PHONE, password=PASSWORD)
    thief.client.cookies.delete("__Host-aed-device")

    assert [give(thief, "000000") for _ in range(7)] == [401] * 5 + [429] * 2
    kinds = session.scalars(select(SecurityEvent.kind)).all()
    assert kinds.count("second_factor_failed") == 5
    assert "locked_out" in kinds


def test_second_factors_are_changed_only_after_giving_one(browser: Browsers, session: Session) -> None:
    person_id = dispatcher(session)
    own, thief = browser(), browser()
    own.sign_in(PHONE, password=PASSWORD)
    add_app(own)
    (factor,) = state(own)["factors"]
    thief.sign_in(PHONE, password=PASSWORD)
    path = f"/v1/me/second-factors/{factor['id']}"

    assert thief.client.delete(path, headers=thief.csrf).status_code == 403
    assert thief.client.post("/v1/me/second-factors/app", json={}, headers=thief.csrf).status_code == 403
    assert thief.client.post("/v1/me/recovery-codes", headers=thief.csrf).status_code == 403
    assert own.client.delete(path).status_code == 403, "without the CSRF token"
    assert own.client.delete(path, headers=own.csrf).status_code == 204
    assert state(own)["recovery_codes_left"] == 0

    add_app(own)
    assert second_factors.remove_all_factors(session, ADMINISTRATOR, person_id, at=clock.now()) == 1
    session.commit()
    assert own.me()["role"] == "anyone", "signed out everywhere"
    assert own.sign_in(PHONE, password=PASSWORD).json()["needs_second_factor"] is False


# --- passkeys -------------------------------------------------------------------------------------------


class Authenticator:
    """A security key in software: the part of browser and key (WebAuthn, "none" attestation)."""

    def __init__(self, site: str = SITE) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.id = hashlib.sha256(str(id(self)).encode()).digest()
        self._site, self._count = site, 0

    def _data(self, rp_id: str, *, attested: bytes = b"") -> bytes:
        self._count += 1
        flags = 0x05 | (0x40 if attested else 0)
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", flags, self._count) + attested

    def _client(self, kind: str, challenge: str) -> bytes:
        client_data = {"type": kind, "challenge": challenge, "origin": self._site, "crossOrigin": False}
        return json.dumps(client_data).encode()

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        point = self._key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        attested = bytes(16) + struct.pack(">H", len(self.id)) + self.id + cbor2.dumps(public)
        data = self._data(options["rp"]["id"], attested=attested)
        made = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        response = {
            "clientDataJSON": bytes_to_base64url(self._client("webauthn.create", options["challenge"])),
            "attestationObject": bytes_to_base64url(made),
        }
        return self._credential(response)

    def get(self, options: dict[str, Any]) -> dict[str, Any]:
        data = self._data(options["rpId"])
        client = self._client("webauthn.get", options["challenge"])
        signed = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": bytes_to_base64url(client),
            "authenticatorData": bytes_to_base64url(data),
            "signature": bytes_to_base64url(signed),
        }
        return self._credential(response)

    def _credential(self, response: dict[str, str]) -> dict[str, Any]:
        name = bytes_to_base64url(self.id)
        return {"id": name, "rawId": name, "type": "public-key", "response": response}


@pytest.fixture
def on_site(settings: Settings) -> Iterator[Callable[[], Browser]]:
    """Yield a function that opens new browsers at the site's address."""
    app = app_on(settings.model_copy(update={"public_url": SITE}))
    with TestClient(app, base_url=SITE):
        yield lambda: Browser(TestClient(app, base_url=SITE, raise_server_exceptions=False))


def test_a_passkey_is_registered_and_used_and_valid_only_for_this_site(
    on_site: Browsers, session: Session
) -> None:
    dispatcher(session, demands="CN")
    own, key = on_site(), Authenticator()
    own.sign_in(PHONE, password=PASSWORD)

    def add(key: Authenticator) -> Any:
        path = "/v1/me/second-factors/passkey"
        options = own.client.post(f"{path}/options", headers=own.csrf).json()["public_key"]
        made = {"name": "key", "credential": key.create(options)}
        return own.client.post(path, json=made, headers=own.csrf)

    assert add(Authenticator("https://phishing.example")).status_code == 422
    assert own.me()["role"] == "anyone"
    assert len(add(key).json()["recovery_codes"]) == 10
    assert own.me()["role"] == "dispatcher"
    assert add(key).status_code == 409

    def given(who: Browser, key: Authenticator, *, twice: bool = False) -> list[int]:
        path = "/v1/sign-in/second-factor/passkey"
        options = who.client.post(f"{path}/options", headers=who.csrf).json()["public_key"]
        signed = {"credential": key.get(options)}
        times = 2 if twice else 1
        return [who.client.post(path, json=signed, headers=who.csrf).status_code for _ in range(times)]

    other = on_site()
    other.sign_in(PHONE, password=PASSWORD)
    stranger = Authenticator()
    stranger.id = key.id
    assert given(other, stranger) == [401]
    assert other.me()["role"] == "anyone"
    reset_attempts(session)
    assert given(other, key, twice=True) == [204, 401], "a challenge can be signed once"
    assert other.me()["role"] == "dispatcher"


def test_a_challenge_is_valid_for_five_minutes(on_site: Browsers, session: Session) -> None:
    dispatcher(session)
    own, key = on_site(), Authenticator()
    own.sign_in(PHONE, password=PASSWORD)
    path = "/v1/me/second-factors/passkey"
    options = own.client.post(f"{path}/options", headers=own.csrf).json()["public_key"]
    session.execute(update(SignIn).values(challenge_until=clock.now() - timedelta(seconds=1)))
    session.commit()

    made = {"name": "key", "credential": key.create(options)}
    assert own.client.post(path, json=made, headers=own.csrf).status_code == 401


def test_passkeys_are_unavailable_without_a_public_url(browser: Browsers, session: Session) -> None:
    dispatcher(session)
    own = browser()
    own.sign_in(PHONE, password=PASSWORD)
    answer = own.client.post("/v1/me/second-factors/passkey/options", headers=own.csrf)
    assert answer.status_code == 404
