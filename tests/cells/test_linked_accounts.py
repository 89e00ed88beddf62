"""Accounts of one person in two cells: linked by the person, ended from either side, erased from the home."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from aed.accounts.audit_log import AuditEntry
from aed.accounts.people.models import Person
from aed.accounts.permissions import ANYONE, TokenRole, Viewer
from aed.cells.neighbours import NoAnswer, post
from aed.cells.requests import ANSWER_HEADER, REQUEST_HEADER, sign_answer
from aed.cells.table import CellTable
from aed.certificates.duplicates.actions import join_people
from aed.database.session import Database, open_database, read_session, transaction
from aed.errors import Conflict, InvalidInput, NotFound, NotSignedIn
from aed.linked_accounts import actions
from aed.linked_accounts.jobs import notify_other_cells
from aed.linked_accounts.models import LinkedAccount
from aed.linked_accounts.queries import links_of, pending_links, waiting_erasure_gauges
from aed.linked_accounts.schemas import (
    ERASURES_PATH,
    LINKS_PATH,
    Invitation,
    LinkMessage,
    LinkState,
    read_invitation,
    sign_invitation,
)
from aed.notifications.models import OutboxMessage
from aed.personal_data.actions import erase, erase_for_home_cell
from aed.settings import Settings
from aed.signatures import TokenPurpose, signed
from aed.web.my_page.page import linked_account_view
from tests import make
from tests.apps import app_on
from tests.cells.pairs import ServedCell, served_pair, settings_of, table_of
from tests.cells.test_border import new_database
from tests.imports.servers import serving
from tests.make import NOW
from tests.throwaway_postgres import free_port

A_KEY = "0123456789abcdef01234567"
PAGE = "/me/other-provinces"
WAITING = "aed_linked_account_erasure_waiting_seconds"


@pytest.fixture
def tables(tmp_path: Path, settings: Settings) -> dict[str, CellTable]:
    return {code: table_of(each) for code, each in settings_of(tmp_path, settings).items()}


def as_person(session: Session) -> Viewer:
    person_id = make.person(session).id
    return Viewer(role=TokenRole.MEMBER, name=f"person:{person_id}", person_id=person_id)


def invitation_to(code: str, key: str = A_KEY) -> Invitation:
    return Invitation(code, key, NOW + timedelta(minutes=30))


# --- the invitation ---------------------------------------------------------------------------------------


@pytest.mark.one_engine("no SQL")
def test_an_invitation_is_for_one_cell_and_for_half_an_hour(tables: dict[str, CellTable]) -> None:
    token = sign_invitation(tables["33"], invitation_to("34"))
    assert len(f"/me/other-provinces/link/{token}") <= 300, "the sign-in leads back to it"
    home, found = read_invitation(tables["34"], token, at=NOW)
    assert (home.code, found) == ("33", invitation_to("34"))
    with pytest.raises(InvalidInput, match="another province"):
        read_invitation(tables["35"], token, at=NOW)
    with pytest.raises(InvalidInput, match="expired"):
        read_invitation(tables["34"], token, at=NOW + timedelta(minutes=30))
    with pytest.raises(InvalidInput, match="No province"):
        read_invitation(tables["34"], token[:-3] + "AAA", at=NOW)


@pytest.mark.one_engine("no SQL")
@pytest.mark.parametrize(
    "text", ["34", f"34 {A_KEY}0 1790000000", f"34 {A_KEY} {'9' * 30}", f"34 {A_KEY[1:]}\0 1790000000"]
)
def test_a_cell_that_signs_something_else_is_refused(tables: dict[str, CellTable], text: str) -> None:
    token = signed(tables["33"].keys, TokenPurpose.ACCOUNT_LINK, text)
    with pytest.raises(InvalidInput, match="No province"):
        read_invitation(tables["34"], token, at=NOW)


@pytest.mark.one_engine("no SQL")
def test_the_page_shows_a_link_and_its_day_in_china(tables: dict[str, CellTable]) -> None:
    late = NOW.replace(hour=17)
    link = LinkedAccount(id=1, cell="34", key=A_KEY, is_home=True, confirmed_at=late)
    shown = linked_account_view(link, tables["33"], at=NOW)
    assert (shown.day, shown.address) == (late.date() + timedelta(days=1), None)
    link.confirmed_at, link.expires_at = None, NOW + timedelta(minutes=1)
    address = linked_account_view(link, tables["33"], at=NOW).address
    assert address is not None
    assert address.startswith("https://aed34.example.org/me/other-provinces/link/")
    assert linked_account_view(link, tables["33"], at=link.expires_at).address is None
    link.cell = "99"
    assert linked_account_view(link, tables["33"], at=NOW).name["zh"] == "99", "it has left the table"


# --- one home, no chains ----------------------------------------------------------------------------------


def test_a_person_has_one_home_and_a_key_is_used_once(session: Session, tables: dict[str, CellTable]) -> None:
    home, third = tables["34"].other("33"), tables["34"].other("35")
    assert home is not None
    assert third is not None
    with pytest.raises(NotSignedIn):
        actions.accept(session, ANYONE, home, invitation_to("34"), at=NOW)
    who, other = as_person(session), as_person(session)
    made = actions.accept(session, who, home, invitation_to("34"), at=NOW)
    assert actions.accept(session, who, home, invitation_to("34"), at=NOW) is made, "repeated"
    with pytest.raises(Conflict, match="used already"):
        actions.accept(session, other, home, invitation_to("34"), at=NOW)
    with pytest.raises(Conflict, match="home province already"):
        actions.accept(session, who, third, invitation_to("34", "f" * 24), at=NOW)
    with pytest.raises(Conflict, match="Your home account is in another province"):
        actions.invite(session, who, table=tables["34"], to="35", at=NOW)
    with pytest.raises(NotFound):
        actions.end(session, other, made.id, at=NOW)

    actions.end(session, who, made.id, at=NOW)
    actions.end(session, who, made.id, at=NOW + timedelta(hours=1))
    assert made.ended_at == NOW
    entries = session.scalars(select(AuditEntry.action).where(AuditEntry.who == who.name)).all()
    assert entries == ["linked to home cell", "link to cell ended"]
    (message,) = session.scalars(select(OutboxMessage).where(OutboxMessage.person_id == who.person_id))
    said = f"{message.text_en} {message.text_zh}"
    assert home.name_en in said
    assert home.name_zh in said
    assert "within 24 hours" in said, "until then the person may end it"
    with pytest.raises(Conflict, match="used already"):
        actions.accept(session, who, home, invitation_to("34"), at=NOW)


def test_a_home_account_cannot_become_a_reference(session: Session, tables: dict[str, CellTable]) -> None:
    who, other = as_person(session), tables["33"].other("34")
    assert other is not None
    with pytest.raises(InvalidInput, match="Choose one"):
        actions.invite(session, who, table=tables["33"], to="33", at=NOW)
    first_key = actions.invite(session, who, table=tables["33"], to="34", at=NOW).key
    made = actions.invite(session, who, table=tables["33"], to="34", at=NOW)
    actions.end(session, who, made.id, at=NOW)
    made = actions.invite(session, who, table=tables["33"], to="34", at=NOW)
    assert session.scalars(select(LinkedAccount)).all() == [made], "an invitation replaces the one before"
    assert actions.receive(session, other, first_key, LinkMessage.CONFIRMED, at=NOW) is LinkState.ENDED
    with pytest.raises(Conflict, match="used already"):  # the other cell signs a key that it got from here
        actions.accept(session, who, other, invitation_to("33", made.key), at=NOW)

    third = tables["33"].other("35")
    assert third is not None
    assert actions.receive(session, third, made.key, LinkMessage.CONFIRMED, at=NOW) is LinkState.ENDED
    assert made.confirmed_at is None, "a third cell that learns the key changes nothing"
    for _ in range(2):
        assert actions.receive(session, other, made.key, LinkMessage.CONFIRMED, at=NOW) is LinkState.LINKED
    with pytest.raises(Conflict, match="linked to this one"):
        actions.accept(session, who, other, invitation_to("33"), at=NOW)
    with pytest.raises(Conflict, match="linked already"):
        actions.invite(session, who, table=tables["33"], to="34", at=NOW)


def test_a_link_in_the_wrong_direction_gives_way(session: Session, tables: dict[str, CellTable]) -> None:
    """A person who made a link in the wrong province need not end it before they confirm the right one."""
    who, home = as_person(session), tables["34"].other("33")
    assert home is not None
    wrong = actions.invite(session, who, table=tables["34"], to="33", at=NOW)
    made = actions.accept(session, who, home, invitation_to("34"), at=NOW)
    assert list(links_of(session, made.person_id)) == [made]
    assert actions.receive(session, home, wrong.key, LinkMessage.CONFIRMED, at=NOW) is LinkState.ENDED


def test_two_cells_may_use_one_key(session: Session, tables: dict[str, CellTable]) -> None:
    """A cell that signs the key of another cell's link neither reaches that link nor breaks anything."""
    for code in ("33", "35"):
        home = tables["34"].other(code)
        assert home is not None
        actions.accept(session, as_person(session), home, invitation_to("34"), at=NOW)
    found = session.scalars(select(LinkedAccount.cell).where(LinkedAccount.key == A_KEY)).all()
    assert sorted(found) == ["33", "35"]


def test_two_people_confirm_one_link_at_once(
    session: Session, settings: Settings, tables: dict[str, CellTable]
) -> None:
    home, people = tables["34"].other("33"), [as_person(session), as_person(session)]
    assert home is not None
    session.commit()
    outcomes, ready = list[str](), threading.Barrier(2)
    patient = {"threads": 2, "lock_timeout_ms": 300_000, "statement_timeout_ms": 300_000}
    pooled = open_database(settings.model_copy(update=patient))

    def confirm(who: Viewer) -> None:
        ready.wait()
        try:
            with transaction(pooled) as own:
                actions.accept(own, who, home, invitation_to("34"), at=NOW)
            outcomes.append("linked")
        except Conflict:
            outcomes.append("used already")

    threads = [threading.Thread(target=confirm, args=[who]) for who in people]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    pooled.close()
    assert sorted(outcomes) == ["linked", "used already"]


def test_erasure_spares_an_account_whose_link_the_person_has_ended(
    session: Session, tables: dict[str, CellTable]
) -> None:
    home = tables["34"].other("33")
    assert home is not None
    assert erase_for_home_cell(session, home, A_KEY, at=NOW) is LinkState.ERASED, "it was never confirmed"
    who = as_person(session)
    made = actions.accept(session, who, home, invitation_to("34"), at=NOW)
    actions.end(session, who, made.id, at=NOW)
    erase_for_home_cell(session, home, A_KEY, at=NOW)
    assert session.get_one(Person, made.person_id).erased_at is None

    again = actions.accept(session, who, home, invitation_to("34", "f" * 24), at=NOW)
    day_old = NOW + timedelta(days=1)
    almost = day_old - timedelta(seconds=1)
    assert erase_for_home_cell(session, home, again.key, at=almost) is LinkState.LINKED, "it can be ended yet"
    assert session.get_one(Person, made.person_id).erased_at is None
    for _ in range(2):
        assert erase_for_home_cell(session, home, again.key, at=day_old) is LinkState.ERASED
    assert session.get_one(Person, made.person_id).erased_at == day_old
    assert again.settled_at == day_old


def link_in_words(session: Session, person: Person, words: str) -> None:
    """Add the link of "home of 35", "in 33" or "invites 35"."""
    role, _, cell = words.rpartition(" ")
    made = LinkedAccount(
        person_id=person.id,
        cell=cell,
        key=f"{person.id:024x}",
        is_home=role != "in",
        created_at=NOW,
        confirmed_at=None if role == "invites" else NOW,
        is_erasure=False,
    )
    session.add(made)


def test_merging_two_people_keeps_links_that_agree(session: Session) -> None:
    for kept_has, other_has, left in (
        ("home of 35", "home of 33", ["home of 33", "home of 35"]),
        ("home of 35", "in 33", ["home of 35"]),
        ("in 35", "in 33", ["in 35"]),
        ("in 35", "home of 33", ["in 35"]),
        ("invites 35", "in 33", ["in 33"]),
        ("", "in 33", ["in 33"]),
        ("home of 35", "invites 33", ["home of 35"]),
    ):
        kept, other = make.person(session), make.person(session)
        for person, words in ((kept, kept_has), (other, other_has)):
            if words:
                link_in_words(session, person, words)
        session.flush()
        join_people(session, make.ADMINISTRATOR, kept, other, at=NOW)
        session.expire_all()
        found = links_of(session, kept.id)
        assert sorted(f"{'home of' if each.is_home else 'in'} {each.cell}" for each in found) == left
        assert list(links_of(session, other.id)) == []
        pending = {each.cell for each in pending_links(session, per_cell=9) if each.person_id == kept.id}
        ended = {"33", "35"} - {each.rpartition(" ")[2] for each in left}
        expected = ended if kept_has and "invites" not in kept_has + other_has else set[str]()
        assert pending == expected, "the other cell is notified of a link that it knows"
        session.execute(update(LinkedAccount).values(settled_at=NOW, confirmed_at=NOW))


# --- two installations ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[ServedCell]]:
    """Serve a cell on SpatiaLite and one on PostGIS."""
    folder = tmp_path_factory.mktemp("linked")
    with (
        new_database(request, "spatialite", folder) as first,
        new_database(request, "postgis", folder) as second,
        served_pair(folder, [first, second]) as cells,
    ):
        yield cells


def link_on_page(home: ServedCell, key: str) -> str:
    """Return the address that the page of the home cell gives to the person."""
    found = re.search(r'href="([^"]+/me/other-provinces/link/[^"]+)"', home.page(PAGE, key))
    assert found is not None
    return found.group(1)


def link(home: ServedCell, other: ServedCell, home_key: str, other_key: str) -> None:
    """Link two accounts as a person does, in two browsers."""
    home.page(PAGE, home_key, form={"cell": other.table.own.code})
    path = link_on_page(home, home_key).removeprefix(other.address)
    assert "Confirm the link" in other.page(path, other_key)
    unsure = other.ask(path, other_key, form={})
    assert unsure.status_code == 422
    assert "Tick the box" in unsure.text
    other.page(path, other_key, form={"is_sure": "yes"})
    assert "has not confirmed yet" in other.page(PAGE, other_key)
    assert other.tell() == (1, 0)


def test_a_person_links_ends_and_erases_accounts_in_two_cells(pair: list[ServedCell]) -> None:
    """The home cell is on either engine in turn."""
    for home, other in (pair, pair[::-1]):
        unsigned = httpx2.post(
            other.address + LINKS_PATH, json={"key": A_KEY, "message": "ended"}, timeout=60
        )
        assert unsigned.status_code == 403
        (home_id, home_key), (other_id, other_key) = home.new_person(), other.new_person()
        link(home, other, home_key, other_key)
        assert (home.links(home_id), other.links(other_id)) == (1, 1)
        assert "Your home account is here" in home.page(PAGE, home_key)
        assert "Your home account is there" in other.page(PAGE, other_key)
        assert other.tell() == (0, 0), "nothing is left to say"

        for ends, key, person_id in ((other, other_key, other_id), (home, home_key, home_id)):
            with read_session(ends.database) as session:
                (ended,) = links_of(session, person_id)
            ends.page(f"/me/other-provinces/{ended.id}/end", key, form={})
            assert ends.tell() == (1, 0)
            assert (home.links(home_id), other.links(other_id)) == (0, 0)
            link(home, other, home_key, other_key)

        home.page("/me/erasure", home_key, form={"is_sure": "yes"})
        assert home.tell() == (0, 1), "a link is a day old before it lets the home cell erase"
        with transaction(other.database) as session:
            assert session.get_one(Person, other_id).erased_at is None
            (linked,) = links_of(session, other_id)
            linked.created_at -= timedelta(days=1)
        assert home.tell() == (1, 0)
        with read_session(other.database) as session:
            assert session.get_one(Person, other_id).erased_at is not None


@pytest.mark.one_engine("pages and forms")
def test_a_stranger_and_another_site_are_refused(pair: list[ServedCell]) -> None:
    """The link leads through the sign-in and back; no form of another site, and no key in a log."""
    home, other = pair
    (_, home_key), (other_id, other_key) = home.new_person(), other.new_person()
    home.page(PAGE, home_key, form={"cell": "34"})
    path = link_on_page(home, home_key).removeprefix(other.address)
    for asked in (PAGE, path):
        answer = other.ask(asked, "nonsense")
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/sign-in?next={asked}"
    for form in ({}, {"is_sure": "yes"}):
        assert other.ask(path, "nonsense", form=form).status_code == 401
    answer = httpx2.post(
        other.address + path,
        data={"is_sure": "yes"},
        headers={"Cookie": f"__Host-aed={other_key}", "Sec-Fetch-Site": "cross-site"},
        timeout=60,
    )
    assert answer.status_code == 403
    assert home.ask(path, home_key).status_code == 422, "it is for the other province"
    assert other.ask(path[:-2], other_key).status_code == 422
    with read_session(other.database) as session:
        assert list(links_of(session, other_id)) == []
    token = path.rpartition("/")[2]
    assert all(token not in each.log.read_text(encoding="utf-8") for each in pair)


def confirmed_erasure(session: Session, table: CellTable, code: str) -> LinkedAccount:
    """Return the link to a cell of a person who was erased here."""
    who, other = as_person(session), table.other(code)
    assert other is not None
    made = actions.invite(session, who, table=table, to=code, at=NOW)
    actions.receive(session, other, made.key, LinkMessage.CONFIRMED, at=NOW)
    erase(session, who, made.person_id, at=NOW)
    return made


def test_a_cell_that_is_down_is_told_later(session: Session, database: Database, tmp_path: Path) -> None:
    """An erasure waits with its reason until the other cell answers; a run asks a dead cell once."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    table = table_of(settings_of(tmp_path, Settings(), a34=nowhere)["33"])
    other = table.other("34")
    assert other is not None
    with pytest.raises(NoAnswer):
        post(table, other, LINKS_PATH, b"{}", seconds=3)
    first, second = (confirmed_erasure(session, table, "34") for _ in range(2))
    session.commit()
    for tried in (1, 2):
        assert notify_other_cells(database, lambda: NOW, table=table, seconds=3) == (0, 2)
        with read_session(database) as own:
            failures = own.scalar(select(func.count(LinkedAccount.failure)))
        assert failures == tried, "each run tries the next"
    session.expire_all()
    assert first.settled_at is second.settled_at is None


@pytest.mark.one_engine("the query is that of the test below")
def test_an_erasure_that_waits_is_in_the_metrics(
    session: Session, settings: Settings, tables: dict[str, CellTable]
) -> None:
    monitor = make.key(session, TokenRole.ADMINISTRATOR)
    session.commit()
    with TestClient(app_on(settings)) as client:
        assert WAITING not in client.get("/metrics", headers=monitor).text
        confirmed_erasure(session, tables["33"], "34")
        session.commit()
        assert f'{WAITING}{{cell="34"}}' in client.get("/metrics", headers=monitor).text
        assert client.get("/metrics").status_code == 401


def test_the_oldest_erasure_of_each_cell_waits(session: Session, tables: dict[str, CellTable]) -> None:
    links = [confirmed_erasure(session, tables["33"], code) for code in ("34", "34", "35")]
    links[1].ended_at = NOW - timedelta(days=2)
    session.flush()
    at = NOW + timedelta(days=1)
    found = waiting_erasure_gauges(session, at=at)
    assert {each.labels["cell"]: each.value for each in found} == {"34": 3 * 86_400, "35": 86_400}
    links[1].settled_at = links[2].settled_at = at
    session.flush()
    assert [each.value for each in waiting_erasure_gauges(session, at=at)] == [86_400]


def test_one_cell_does_not_keep_another_waiting(session: Session, tables: dict[str, CellTable]) -> None:
    """Each cell has its own turn, and what was tried last comes last."""
    dead = [confirmed_erasure(session, tables["33"], "34") for _ in range(3)]
    alive = confirmed_erasure(session, tables["33"], "35")
    dead[0].tried_at = NOW
    session.flush()
    assert list(pending_links(session, per_cell=2)) == [dead[1], dead[2], alive]
    dead[1].tried_at = dead[2].tried_at = NOW + timedelta(minutes=1)
    session.flush()
    assert list(pending_links(session, per_cell=1)) == [dead[0], alive]


def test_a_link_that_is_refused_does_not_hold_up_the_next(
    session: Session, database: Database, tmp_path: Path
) -> None:
    there = list[CellTable]()

    def answer(to: BaseHTTPRequestHandler) -> None:
        content = b'{"state":"erased"}'
        to.send_response(500 if len(source.asked) == 1 else 200)
        to.send_header(ANSWER_HEADER, sign_answer(there[0], to.headers[REQUEST_HEADER], content))
        to.send_header("Content-Length", str(len(content)))
        to.end_headers()
        to.wfile.write(content)

    with serving(answer) as source:
        of_cells = settings_of(tmp_path, Settings(), a34=source.url(""))
        table = table_of(of_cells["33"])
        there.append(table_of(of_cells["34"]))
        made = [confirmed_erasure(session, table, "34") for _ in range(2)]
        session.commit()
        assert notify_other_cells(database, lambda: NOW, table=table) == (1, 1)
    session.expire_all()
    assert (made[0].failure, made[1].settled_at) == ("status 500", NOW)
    assert [each["path"] for each in source.asked] == [ERASURES_PATH] * 2
