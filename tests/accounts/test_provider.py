"""Sign-in with an operator's identity provider: a real small one, correct, incorrect, slow or down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

import httpx2
import pytest
from fastapi.testclient import TestClient
from joserfc.jwk import ECKey, OctKey
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people import queries as people_queries
from aed.accounts.people.models import Account, Identity, Person
from aed.accounts.permissions import Role, TokenRole
from aed.accounts.role_grants import RoleGrant
from aed.accounts.sessions import CSRF_HEADER, SESSION_COOKIE, SignIn
from aed.accounts.sign_in.actions import delete_expired
from aed.accounts.sign_in.models import ProviderRequest
from aed.accounts.sign_in.rules import PROVIDER_COOKIE, SignInMethod, identity_from_claims
from aed.accounts.sign_in.throttling import count_attempt_from_address
from aed.database.session import Database
from aed.errors import InvalidInput
from aed.settings import Settings, load_settings
from aed.settings.services import BACK_FROM_PROVIDER, SignInProvider
from tests import make
from tests.accounts.small_provider import CLIENT_ID, CLIENT_SECRET, SmallProvider, small_provider
from tests.apps import app_on
from tests.imports.servers import answers, breaks_off, drips, silent

HERE = "https://testserver"
PHONE = "+8613800138000"
WANG: dict[str, Any] = {
    "sub": "u-17",
    "name": "王芳",
    "phone_number": "+86 138 0013 8000",
    "phone_number_verified": True,
    "email": "Wang.Fang@estate.example",
    "email_verified": True,
}


@pytest.fixture
def provider() -> Iterator[SmallProvider]:
    with small_provider(HERE + BACK_FROM_PROVIDER) as opened:
        opened.person = dict(WANG)
        yield opened


def served(settings: Settings, provider: SmallProvider, **otherwise: Any) -> TestClient:
    """Return a browser on the app, which is configured for the provider."""
    known = {
        "url": provider.url,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "redirect_url": provider.redirect_url,
        "seconds": 2.0,
    }
    settings = settings.model_copy(
        update={"sign_in_provider": SignInProvider.model_validate(known | otherwise)}
    )
    return another(TestClient(app_on(settings)))


def another(browser: TestClient) -> TestClient:
    return TestClient(browser.app, base_url=HERE, raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture
def browser(settings: Settings, provider: SmallProvider) -> Iterator[TestClient]:
    with served(settings, provider) as opened:
        yield opened


def start_sign_in(browser: TestClient, **query: str) -> str:
    """Follow the redirect to the provider; return the URL to which it redirects back."""
    gone = browser.get("/v1/sign-in/provider", params=query)
    assert gone.status_code == 303, gone.text
    there = httpx2.get(gone.headers["Location"], follow_redirects=False, trust_env=False)
    assert there.status_code == 302
    return there.headers["Location"]


def sign_in(browser: TestClient, **query: str) -> httpx2.Response:
    return browser.get(start_sign_in(browser, **query))


def resident(session: Session, **known: str) -> int:
    person = make.person(session, phone=known.get("phone", PHONE))
    make.role(session, person, Role.RESIDENT, estate=make.estate(session))
    if "email" in known:
        session.execute(update(Account).where(Account.person_id == person.id).values(email=known["email"]))
    session.commit()
    return person.id


def test_an_unknown_identity_is_not_signed_in(browser: TestClient, session: Session) -> None:
    resident(session, phone="+8613800138001")

    answer = sign_in(browser)

    assert answer.status_code == 401
    assert "Ask an administrator" in answer.json()["detail"]
    assert SESSION_COOKIE not in browser.cookies
    assert session.scalar(select(func.count()).select_from(Identity)) == 0


def test_a_verified_number_links_the_identity_that_signs_in_afterwards(
    browser: TestClient, provider: SmallProvider, session: Session
) -> None:
    """Number and address are read once: afterwards they may change on both sides."""
    person_id = resident(session)

    answer = sign_in(browser)

    assert answer.status_code == 200, answer.text
    assert answer.json()["person_id"] == person_id
    assert answer.headers["Cache-Control"] == "no-store"
    me = browser.get("/v1/me").json()
    assert (me["person_id"], me["roles"][0]["role"]) == (person_id, "resident")
    assert me["csrf_token"] == answer.json()["csrf_token"]
    assert PROVIDER_COOKIE not in browser.cookies

    provider.person = {"sub": "u-17"}
    assert sign_in(another(browser)).json()["person_id"] == person_id
    provider.person = WANG | {"sub": "u-18", "phone_number": "+8613800138009", "email": "x@y.example"}
    assert sign_in(another(browser)).status_code == 401
    linked = session.scalars(select(Identity)).one()
    assert (linked.provider, linked.subject, linked.linked_by) == (provider.url, "u-17", "phone_number")
    newest = people_queries.person_history(session, person_id)[0]
    assert newest.fields == {"identity": [None, provider.url]}


@pytest.mark.parametrize(
    "in_token", [frozenset(), frozenset({"email", "email_verified"})], ids=["userinfo", "token"]
)
def test_a_verified_email_address_signs_in_from_the_id_token_or_userinfo(
    browser: TestClient, provider: SmallProvider, session: Session, in_token: frozenset[str]
) -> None:
    person_id = resident(session, phone="+8613800138001", email="wang.fang@estate.example")
    provider.in_token = in_token

    assert sign_in(browser).json()["person_id"] == person_id


@pytest.mark.parametrize("claim", [False, None, "true", 1])
def test_unverified_claims_sign_nobody_in(
    browser: TestClient, provider: SmallProvider, session: Session, claim: Any
) -> None:
    resident(session, email="wang.fang@estate.example")
    provider.person |= {"phone_number_verified": claim, "email_verified": claim}

    assert sign_in(browser).status_code == 401


def test_a_number_and_an_address_of_different_people_sign_in_neither(
    browser: TestClient, session: Session
) -> None:
    resident(session)
    resident(session, phone="+8613800138001", email="wang.fang@estate.example")

    answer = sign_in(browser)

    assert answer.status_code == 409
    assert "two different people" in answer.json()["detail"]


def test_a_new_person_is_added_without_a_role_where_the_setting_allows_it(
    settings: Settings, provider: SmallProvider, session: Session
) -> None:
    with served(settings, provider, adds_people=True) as browser:
        first = sign_in(browser).json()["person_id"]
        again = sign_in(another(browser)).json()["person_id"]
        me = browser.get("/v1/me").json()

    assert first == again
    assert (me["name"], me["roles"], me["role"]) == (f"person:{first}", [], "member")
    assert session.get_one(Person, first).name == "王芳"
    assert session.get_one(Account, first).phone == PHONE
    assert session.scalar(select(func.count()).select_from(RoleGrant)) == 0


def test_the_browser_is_redirected_only_to_pages_of_this_site(browser: TestClient, session: Session) -> None:
    resident(session)

    answer = sign_in(browser, return_to="/roster?session=3")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/roster?session=3")
    assert browser.get("/v1/me").json()["role"] == "member"
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example", "evil", "/a\r\nb"):
        refused = browser.get("/v1/sign-in/provider", params={"return_to": elsewhere})
        assert refused.status_code == 422, elsewhere


def test_a_sign_in_can_be_completed_once_in_the_same_browser_within_its_lifetime(
    browser: TestClient, provider: SmallProvider, session: Session
) -> None:
    """Otherwise a stranger could sign another person in as the stranger, or use a copied URL."""
    resident(session)
    back = start_sign_in(browser)

    assert another(browser).get(back).status_code == 401, "another browser"
    assert browser.get(back.replace("state=", "state=x")).status_code == 401, "another state"
    assert browser.get(back).status_code == 200
    browser.cookies.clear()
    assert browser.get(back).status_code == 401, "a second time"

    late = start_sign_in(browser)
    session.execute(update(ProviderRequest).values(expires_at=clock.now() - timedelta(seconds=1)))
    session.commit()
    assert browser.get(late).status_code == 401, "too late"
    delete_expired(session, at=clock.now())
    assert session.scalar(select(func.count()).select_from(ProviderRequest)) == 0
    session.commit()

    said_no = start_sign_in(browser).replace("code=", "error=access_denied&x=")
    assert "did not sign anyone in" in browser.get(said_no).json()["detail"]
    used = start_sign_in(browser)
    provider.codes.clear()
    assert "has expired" in browser.get(used).json()["detail"]


def claims(**wrong: Any) -> Callable[[SmallProvider], None]:
    """Return a change that replaces claims in the ID token; None removes a claim."""

    def be_wrong(provider: SmallProvider) -> None:
        provider.wrong_claims = wrong

    return be_wrong


def sign_with_another_key(provider: SmallProvider) -> None:
    provider.published = ECKey.generate_key("P-256", {"kid": "a"})


def sign_with_public_value(provider: SmallProvider) -> None:
    """Sign with the published key as if it were a shared secret, as an attacker would."""
    provider.published, provider.algorithm = provider.key, "HS256"
    provider.key = OctKey.import_key(json.dumps(provider.key.as_dict(private=False)))


WRONG_WORDS: Final = {
    "of another provider": (claims(iss="https://other.example"), "iss"),
    "for another program": (claims(aud="another"), "aud"),
    "for several, and meant for another": (claims(aud=[CLIENT_ID, "another"], azp="another"), "azp"),
    "of another visit": (claims(nonce="another"), "nonce"),
    "of no visit": (claims(nonce=None), "nonce"),
    "over": (claims(exp=1_700_000_000), "expired"),
    "never over": (claims(exp=None), "exp"),
    "of nobody": (claims(sub=None), "sub"),
    "of another person than in userinfo": (claims(sub="u-18"), "different person"),
    "signed with another key": (sign_with_another_key, "bad_signature"),
    "signed with a publicly known value": (sign_with_public_value, "HS256"),
}


def test_a_token_that_is_not_the_providers_for_this_sign_in_is_refused(
    browser: TestClient, provider: SmallProvider, session: Session
) -> None:
    resident(session)
    for name, (be_wrong, message) in WRONG_WORDS.items():
        right = (provider.key, provider.algorithm)
        be_wrong(provider)

        answer = sign_in(browser)

        assert (answer.status_code, message in answer.json()["detail"]) == (503, True), (name, answer.text)
        provider.wrong_claims, provider.published = {}, None
        provider.key, provider.algorithm = right

    assert SESSION_COOKIE not in browser.cookies
    assert session.scalar(select(func.count()).select_from(SignIn)) == 0
    session.commit()
    assert sign_in(browser).status_code == 200


CUT: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"
TOKEN: Final = {"access_token": "a", "token_type": "Bearer"}
METADATA: Final = "/.well-known/openid-configuration"
FAILURES = {
    "metadata: breaks off": (
        METADATA,
        breaks_off(CUT),
        "cannot be reached",
    ),
    "metadata: no JSON": (METADATA, answers("<html>"), "not JSON"),
    "metadata: another JSON": (METADATA, answers("[1]"), "has the wrong form"),
    "metadata: of another": (
        METADATA,
        answers(
            json.dumps(
                dict.fromkeys(("authorization_endpoint", "token_endpoint", "jwks_uri"), "https://a.example")
                | {"issuer": "https://a.example"}
            )
        ),
        "AED_SIGN_IN_PROVIDER__URL",
    ),
    "metadata: elsewhere": (METADATA, answers("", status=302, Location="http://a.example"), "status 302"),
    "metadata: endless": (METADATA, answers("[" * 300_000), "larger than"),
    "metadata: deep": (METADATA, answers("[" * 100_000), "not JSON"),
    "token: down": ("/token", answers("<html>", status=502), "status 502"),
    "token: no JSON": ("/token", answers("<html>"), "not JSON"),
    "token: nothing in it": (
        "/token",
        answers(json.dumps(TOKEN)),
        "no ID token",
    ),
    "token: garbage": (
        "/token",
        answers(json.dumps(TOKEN | {"id_token": "a.b.c"})),
        "token is invalid",
    ),
    "token: refused": (
        "/token",
        answers('{"error": "invalid_client"}', status=401),
        "AED_SIGN_IN_PROVIDER__",
    ),
    "keys: none": ("/keys", answers("[]"), "no list of keys"),
    "keys: odd": ("/keys", answers('{"keys": [{"kty": "RSA"}, 3]}'), "token is invalid"),
    "userinfo: down": ("/userinfo", answers("", status=500), "status 500"),
}


def test_a_slow_unreachable_or_broken_provider_is_reported_and_signs_nobody_in(
    settings: Settings, provider: SmallProvider, session: Session
) -> None:
    """Try each failure in turn; afterwards, sign-in works again."""
    resident(session)
    with served(settings, provider, seconds=0.5) as browser:
        for behave in (silent(3), drips(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" ", 3)):
            provider.instead = {METADATA: behave}
            assert "within 0.5 s" in browser.get("/v1/sign-in/provider").json()["detail"]
            provider.instead = {}
    with served(settings, provider, seconds=30) as browser:
        for name, (path, behave, message) in FAILURES.items():
            back = start_sign_in(browser) if path != METADATA else "/v1/sign-in/provider"
            provider.instead = {path: behave}
            answer = browser.get(back)
            assert answer.status_code == 503, (name, answer.text)
            assert message in answer.json()["detail"], (name, answer.text)
            assert answer.json()["detail"].endswith("Sign in by password or code, or try again later.")
            provider.instead = {}
        assert SESSION_COOKIE not in browser.cookies

        assert sign_in(browser).status_code == 200


def test_starting_many_sign_ins_is_limited(browser: TestClient, database: Database) -> None:
    for _ in range(49):
        count_attempt_from_address(database, SignInMethod.PROVIDER, address="testclient", at=clock.now())

    answered = [browser.get("/v1/sign-in/provider").status_code for _ in range(2)]

    assert answered == [303, 429]


def test_only_the_person_and_an_administrator_see_and_remove_a_linked_identity(
    browser: TestClient, provider: SmallProvider, session: Session
) -> None:
    person_id = resident(session)
    where = f"/v1/people/{person_id}/identities"
    csrf = {CSRF_HEADER: sign_in(browser).json()["csrf_token"]}
    stranger = another(browser)

    assert stranger.get(where).status_code == 401
    assert stranger.delete(where).status_code == 401
    assert [each["linked_by"] for each in browser.get(where).json()] == ["phone_number"]
    assert browser.delete(where, headers=csrf).status_code == 204
    assert browser.get("/v1/me").json()["role"] == "anyone"
    session.execute(update(Account).values(phone="+8613800138001"))
    session.commit()
    assert sign_in(browser).status_code == 401


def test_only_an_administrator_sets_an_email_address_which_is_unique_and_logged_masked(
    browser: TestClient, session: Session
) -> None:
    other = resident(session, phone="+8613800138001", email="other@estate.example")
    person_id = resident(session)
    headers = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    own = {CSRF_HEADER: sign_in(browser).json()["csrf_token"], "If-Match": '"1"'}
    where = f"/v1/people/{person_id}"

    assert browser.patch(where, json={"email": "a@b.example"}, headers=own).status_code == 403
    office = another(browser)
    taken = office.patch(where, json={"email": "OTHER@estate.example"}, headers=headers | {"If-Match": '"1"'})
    assert (taken.status_code, taken.json()["field"]) == (409, "email")
    given = office.patch(where, json={"email": "Fang@Estate.example"}, headers=headers | {"If-Match": '"1"'})
    assert given.json()["email"] == "fang@estate.example"
    assert given.headers["ETag"] == '"2"'
    assert browser.get("/v1/me").json()["role"] == "anyone", "sessions of the old address are ended"
    history = office.get(f"{where}/history", headers=headers).json()
    assert history[0]["fields"] == {"email": [None, "f***@estate.example"]}
    gone = office.patch(f"/v1/people/{other}", json={"email": None}, headers=headers | {"If-Match": '"1"'})
    assert gone.json()["email"] is None


def test_without_a_provider_its_sign_in_does_not_exist(settings: Settings) -> None:
    with another(TestClient(app_on(settings))) as browser:
        for path in ("/v1/sign-in/provider", BACK_FROM_PROVIDER):
            answer = browser.get(path)
            assert answer.status_code == 404
            assert "Sign in by password or code" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"URL": "https://id.example"}, "together"),
        ({"URL": "http://id.example", "CLIENT_ID": "a", "REDIRECT_URL": HERE + BACK_FROM_PROVIDER}, "https"),
        ({"URL": "https://id.example", "CLIENT_ID": "a", "REDIRECT_URL": HERE}, BACK_FROM_PROVIDER),
        ({"URL": "https://[", "CLIENT_ID": "a", "REDIRECT_URL": HERE + BACK_FROM_PROVIDER}, "https"),
    ],
)
def test_invalid_provider_settings_are_refused_at_start(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], message: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"AED_SIGN_IN_PROVIDER__{name}", value)

    with pytest.raises(InvalidInput, match="AED_SIGN_IN_PROVIDER") as refused:
        load_settings()
    assert message in refused.value.detail


def test_only_usable_claims_of_a_provider_are_taken() -> None:
    claims: dict[str, object] = {"iss": "https://id.example", "sub": "1"}

    assert identity_from_claims(claims | {"sub": ""}, country="CN") is None
    assert identity_from_claims(claims | {"sub": "x" * 256}, country="CN") is None
    assert identity_from_claims(claims | {"sub": "x" * 255}, country="CN") is not None


@pytest.mark.parametrize(
    ("given", "email"),
    [
        (" A@B ", "a@b"),
        ("a@", None),
        ("a@b." + "c" * 250, "a@b." + "c" * 250),
        ("a@b." + "c" * 251, None),
        (7, None),
    ],
)
def test_an_address_of_3_to_254_characters_is_taken_from_verified_claims(
    given: object, email: str | None
) -> None:
    claims = {"iss": "https://id.example", "sub": "x", "email": given, "email_verified": True}

    found = identity_from_claims(claims, country="CN")

    assert found is not None
    assert found.email == email
    unverified = identity_from_claims(claims | {"email_verified": "true"}, country="CN")
    assert unverified is not None
    assert unverified.email is None


@pytest.mark.parametrize(
    ("given", "verified", "phone"),
    [
        ("138 0013 8000", True, "+8613800138000"),
        ("138 0013 8000", False, None),
        ("nobody", True, None),
        (13800138000, True, None),
    ],
)
def test_a_number_is_taken_from_verified_claims(given: object, verified: bool, phone: str | None) -> None:
    claims = {"iss": "https://id.example", "sub": "x"}
    claims |= {"phone_number": given, "phone_number_verified": verified}  # type: ignore[dict-item]  # a provider may send any type

    found = identity_from_claims(claims, country="CN")

    assert found is not None
    assert found.phone == phone
    named = identity_from_claims(claims | {"name": "n" * 201}, country="CN")
    assert named is not None
    assert named.name == "n" * 200
    assert identity_from_claims({"sub": "1"}, country="CN") is None
    odd = {
        "name": " ",
        "phone_number": "12",
        "phone_number_verified": True,
        "email": "x" * 300,
        "email_verified": True,
    }
    found = identity_from_claims(claims | odd, country="CN")
    assert found is not None
    assert (found.name, found.phone, found.email) == (None, None, None)
    for length, is_taken in ((254, True), (255, False)):
        email = "x@estate.example".rjust(length, "x")
        found = identity_from_claims(claims | {"email": email, "email_verified": True}, country="CN")
        assert found is not None
        assert found.email == (email if is_taken else None)
