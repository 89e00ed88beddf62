"""Tokens: what each grants, that its key is stored nowhere, and when it stops working."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import viewer_by_key
from aed.accounts.permissions import (
    ANYONE,
    TokenRole,
    TokenScope,
    Viewer,
    require_administrator,
    require_estate_manager,
)
from aed.accounts.regions.actions import put_region
from aed.accounts.regions.queries import estates_sharing, regions_below
from aed.accounts.regions.schemas import RegionIn
from aed.accounts.tokens import Token, create_token, revoke_token
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn
from tests import make
from tests.make import NOW


def administrators_key(session: Session, name: str = "office", **given: object) -> str:
    return create_token(
        session,
        **{"name": name, "role": TokenRole.ADMINISTRATOR, "scopes": list(TokenScope), "at": NOW, **given},  # type: ignore[arg-type] # a test's keywords
    )


def test_anonymous_may_write_nothing() -> None:
    with pytest.raises(NotSignedIn):
        require_estate_manager(ANYONE, 1)
    with pytest.raises(NotSignedIn):
        require_estate_manager(ANYONE, None)
    with pytest.raises(NotSignedIn):
        require_administrator(ANYONE)


def test_a_member_with_the_write_scope_may_write_only_their_own_estate() -> None:
    member = Viewer(role=TokenRole.MEMBER, scopes=frozenset(TokenScope), estate_id=7, estate_ids=(7, 8))

    require_estate_manager(member, 7)
    for other in (8, 9, None):
        with pytest.raises(NotAllowed):
            require_estate_manager(member, other)
    with pytest.raises(NotAllowed):
        require_administrator(member)


def test_a_dispatcher_cannot_write() -> None:
    dispatcher = Viewer(role=TokenRole.DISPATCHER, scopes=frozenset(TokenScope), region_ids=(1,))

    for estate_id in (1, None):
        with pytest.raises(NotAllowed):
            require_estate_manager(dispatcher, estate_id)


def test_an_administrator_without_the_write_scope_only_reads() -> None:
    reader = Viewer(role=TokenRole.ADMINISTRATOR)

    with pytest.raises(NotAllowed):
        require_estate_manager(reader, 1)
    with pytest.raises(NotAllowed):
        require_administrator(reader)


def test_a_key_is_stored_only_as_its_hash(session: Session) -> None:
    key = administrators_key(session)
    session.flush()

    row = session.execute(text("SELECT * FROM tokens")).one()
    assert key.removeprefix("aed_") not in str(row)
    assert len(row.key_hash) == 64
    assert len(key) >= 47, "256 random bits"
    assert administrators_key(session, "another") != key


def test_a_token_is_accepted_until_it_expires(session: Session) -> None:
    key = administrators_key(session, expires_at=NOW + timedelta(days=1))

    assert viewer_by_key(session, key, at=NOW + timedelta(hours=23)).is_administrator
    with pytest.raises(NotSignedIn):
        viewer_by_key(session, key, at=NOW + timedelta(days=1))


def test_a_revoked_token_is_refused_at_the_next_request(session: Session, client: TestClient) -> None:
    headers = {"Authorization": f"Bearer {administrators_key(session)}"}
    session.commit()
    assert client.get("/v1/me", headers=headers).json()["role"] == "administrator"

    revoke_token(session, name="office", at=clock.now())
    session.commit()

    assert client.get("/v1/me", headers=headers).status_code == 401
    assert client.get("/v1/devices", headers=headers).status_code == 401


def test_revoking_twice_keeps_the_first_time(session: Session) -> None:
    administrators_key(session)

    revoke_token(session, name="office", at=NOW)
    revoke_token(session, name="office", at=NOW + timedelta(days=1))

    assert session.scalar(select(Token.revoked_at)) == NOW
    with pytest.raises(NotFound):
        revoke_token(session, name="nobody's", at=NOW)


def test_a_second_token_of_the_same_name_is_refused_and_the_first_still_works(session: Session) -> None:
    key = administrators_key(session)
    session.commit()

    with pytest.raises(Conflict) as refused:
        administrators_key(session)
    session.rollback()

    assert refused.value.field == "name"
    assert session.scalar(select(func.count()).select_from(Token)) == 1
    assert viewer_by_key(session, key, at=NOW).is_administrator


@pytest.mark.parametrize(
    ("role", "given", "field"),
    [
        (TokenRole.MEMBER, {}, "estate"),
        (TokenRole.ADMINISTRATOR, {"estate_id": 1}, "estate"),
        (TokenRole.DISPATCHER, {}, "region"),
        (TokenRole.MEMBER, {"estate_id": 1, "region_id": 1}, "region"),
    ],
)
def test_a_token_names_the_estate_or_region_of_its_role(
    session: Session, role: TokenRole, given: dict[str, int], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        create_token(session, name="odd", role=role, scopes=[TokenScope.READ], at=NOW, **given)  # type: ignore[arg-type] # as above

    assert refused.value.field == field


def test_a_members_viewer_knows_the_neighbourhood_and_a_dispatchers_knows_all_regions_below(
    session: Session,
) -> None:
    province = make.region(session, "province")
    city = make.region(session, "city", parent="province")
    district = make.region(session, "district", parent="city")
    make.region(session, "elsewhere")
    ours = make.estate(session, in_region="city", neighbourhood="lane")
    next_door = make.estate(session, in_region="city", neighbourhood="lane")
    other = make.estate(session, in_region="city")

    assert regions_below(session, province.id) == (province.id, city.id, district.id)
    assert regions_below(session, district.id) == (district.id,)
    assert estates_sharing(session, ours.id) == (ours.id, next_door.id)
    assert estates_sharing(session, other.id) == (other.id,), (
        "an estate without a neighbourhood has no neighbours"
    )


def test_a_region_cannot_be_its_own_descendant(session: Session) -> None:
    make.region(session, "province")
    city = make.region(session, "city", parent="province")
    given = {
        "code": "province",
        "name_en": "P",
        "name_zh": "省",
        "country": "CN",
        "time_zone": "Asia/Shanghai",
        "emergency_number": "120",
        "parent": city.code,
    }

    with pytest.raises(InvalidInput) as refused:
        put_region(session, RegionIn.model_validate(given))

    assert refused.value.field == "parent"


def test_a_malformed_authorization_header_is_refused_in_a_sentence(client: TestClient) -> None:
    for header in (
        b"Bearer \xff\xfe",
        b"Bearer",
        b"",
        b"Token abc",
        b"Bearer a b c",
        b"bearer " + b"x" * 5000,
    ):
        answer = client.get("/v1/me", headers={b"Authorization": header})
        assert answer.status_code == 401, header
        assert answer.headers["content-type"] == "application/problem+json"
        assert "Bearer" in answer.json()["detail"] or "wrong" in answer.json()["detail"]
