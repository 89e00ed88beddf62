"""The pages with which an estate's manager imports a list: upload, correct, preview, import."""

from __future__ import annotations

import io
import re

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from openpyxl import load_workbook
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role
from aed.accounts.sessions import SESSION_COOKIE
from aed.imports.drafts.actions import KEPT_FOR, delete_old_drafts
from aed.imports.models import ImportDraft
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from tests import make
from tests.make import PATIENT, east_of

FORM = {"Sec-Fetch-Site": "same-origin"}
FAR = east_of(PATIENT, metres=3_000)
ROWS = [
    f"大堂,{PATIENT.lon},{PATIENT.lat},张伟,13800000001,2027年5月",
    f"南门岗亭,{PATIENT.lat},{PATIENT.lon},李娜,13800000002,2027/5/1",
    f"公园,{FAR.lon},{FAR.lat},王芳,13800000003,2026.5.3",
]


def workbook(*rows: str, name: str = "台账.csv") -> dict[str, tuple[str, bytes]]:
    text = "\n".join(["安装位置,经度,纬度,负责人,电话,电池有效期", *rows])
    return {"file": (name, text.encode("gbk"))}


def signed_in(session: Session, role: Role, estate: Estate, *, language: str = "en") -> dict[str, str]:
    person = make.person(session)
    make.role(session, person, role, estate=estate)
    key = make.sign_in(session, person.id)
    session.commit()
    return {"Cookie": f"{SESSION_COOKIE}={key}", "Accept-Language": language, "Accept": "text/html"}


@pytest.fixture
def manager(session: Session) -> dict[str, str]:
    return signed_in(session, Role.ESTATE_MANAGER, make.estate(session))


def upload(client: TestClient, headers: dict[str, str], *rows: str) -> str:
    """Upload a list; return the address of its page."""
    sent = client.post("/lists", headers=headers | FORM, files=workbook(*rows), follow_redirects=False)
    assert sent.status_code == 303, sent.text
    return sent.headers["Location"]


def form_of(page: str) -> dict[str, list[str]]:
    """Return the values that a browser sends with the form of a page."""
    form: dict[str, list[str]] = {"heading": [], "holds": []}
    for name, body in re.findall(r'<select [^>]*name="(\w+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', body)
        form.setdefault(name, []).append(chosen[1] if chosen else "")
    form["heading"] = re.findall(r'name="heading" value="([^"]*)"', page)
    form["version"] = re.findall(r'name="version" value="(\d+)"', page)
    form["fix"] = re.findall(r'name="fix" value="(\w+)" checked', page)
    return form


def numbers(page: str) -> list[int]:
    """Return the counts: new, changed, unchanged, to be asked about, refused."""
    return counts(page)[:5]


def counts(page: str) -> list[int]:
    """Return these and, if there are any, the rows that are registered AEDs."""
    return [int(each) for each in re.findall(r"<dd>(\d+)</dd>", page)[:6]]


def devices(session: Session) -> int:
    """Return the number of registered devices; end the transaction."""
    count = session.scalar(select(func.count()).select_from(Device)) or 0
    session.rollback()
    return count


def send(client: TestClient, headers: dict[str, str], where: str, form: dict[str, list[str]]) -> Response:
    return client.post(where, headers=headers | FORM, data=form, follow_redirects=False)


def test_a_stranger_and_a_resident_import_nothing(client: TestClient, session: Session) -> None:
    resident = signed_in(session, Role.RESIDENT, make.estate(session))
    stranger = {"Accept": "text/html", "Accept-Language": "en"}

    assert (
        client.get("/lists", headers=stranger, follow_redirects=False)
        .headers["Location"]
        .startswith("/sign-in")
    )
    assert client.get("/lists", headers=resident).status_code == 403
    assert client.post("/lists", headers=stranger | FORM, files=workbook(*ROWS)).status_code == 401
    assert client.post("/lists", headers=resident | FORM, files=workbook(*ROWS)).status_code == 403
    assert client.post("/lists", headers=resident, files=workbook(*ROWS)).status_code == 403
    assert client.get("/lists/1", headers=stranger).status_code == 401


def test_a_list_is_uploaded_mended_imported_and_its_refused_rows_come_back(
    client: TestClient, session: Session, manager: dict[str, str]
) -> None:
    where = upload(client, manager, *ROWS)

    seen = client.get(where, headers=manager).text
    assert numbers(seen) == [1, 0, 0, 0, 2]
    assert "Latitude and longitude exchanged" in seen
    form = form_of(seen)
    assert form["holds"] == ["place", "lon", "lat", "keeper_name", "keeper_phone", "battery_expires_on"]

    form["fix"] = ["coordinates_swapped"]
    assert send(client, manager, where, form).status_code == 303
    mended = client.get(where, headers=manager).text
    assert numbers(mended) == [2, 0, 0, 0, 1]
    done = send(client, manager, f"{where}/import", form_of(mended))
    assert done.status_code == 303, done.text
    result = client.get(where, headers=manager).text
    assert numbers(result) == [2, 0, 0, 0, 1]
    assert "Lies in no estate that you manage." in result
    assert devices(session) == 2

    file = client.get(f"{where}/refused.xlsx", headers=manager)
    rows = list(load_workbook(io.BytesIO(file.content)).active.iter_rows(values_only=True))
    assert rows[0][:3] == ("安装位置", "经度", "纬度")
    assert rows[1][0] == "公园"
    assert "no estate that you manage" in rows[1][-1]

    again = send(client, manager, f"{where}/import", form_of(mended))
    assert again.status_code == 303
    assert devices(session) == 2


def test_a_column_is_corrected_and_a_wrong_choice_keeps_what_was_chosen(
    client: TestClient, manager: dict[str, str]
) -> None:
    where = upload(client, manager, *ROWS[:1])
    form = form_of(client.get(where, headers=manager).text)

    form["holds"][4] = "access_instructions"
    send(client, manager, where, form)
    assert form_of(client.get(where, headers=manager).text)["holds"][4] == "access_instructions"

    form = form_of(client.get(where, headers=manager).text)
    form["holds"][1] = form["holds"][2] = ""
    wrong = send(client, manager, where, form)
    assert wrong.status_code == 422
    assert "has no coordinates" in wrong.text
    assert form_of(wrong.text)["holds"][1:3] == ["", ""]


def test_nobody_imports_what_they_have_not_seen(
    client: TestClient, session: Session, manager: dict[str, str]
) -> None:
    where = upload(client, manager, *ROWS[:1])
    first_tab = form_of(client.get(where, headers=manager).text)
    second_tab = first_tab | {"holds": [*first_tab["holds"][:-1], ""]}

    changed = send(client, manager, f"{where}/import", second_tab)
    assert (changed.status_code, "You changed how the list is read" in changed.text) == (200, True)
    outdated = send(client, manager, f"{where}/import", first_tab)
    assert (outdated.status_code, "changed in another window" in outdated.text) == (409, True)
    assert devices(session) == 0


def test_rows_like_a_registered_aed_or_a_row_are_shown_side_by_side_and_answered(
    client: TestClient, session: Session
) -> None:
    estate = make.estate(session)
    manager = signed_in(session, Role.ESTATE_MANAGER, estate)
    device = make.device(session, at=PATIENT, of=estate, place_zh="门卫室")
    session.commit()
    there = east_of(PATIENT, metres=60)
    where = upload(client, manager, ROWS[0], f"大堂,{there.lon},{there.lat},张伟,13800000001,2027年5月")

    seen = client.get(where, headers=manager).text
    assert "门卫室" in seen
    assert "Rows 2 and 3" in seen
    form = form_of(seen)
    wrong = send(client, manager, where, form | {"answer:2:device:x": ["same"], "answer:3:row:2": ["same"]})
    assert wrong.status_code == 422
    assert "names a row" in wrong.text
    assert re.search(r'name="answer:3:row:2" value="same" checked', wrong.text)

    form |= {f"answer:2:device:{device.id}": ["different"], "answer:3:row:2": ["same"]}
    changed = send(client, manager, f"{where}/import", form)
    assert (changed.status_code, devices(session)) == (200, 1)
    assert numbers(changed.text) == [1, 0, 0, 0, 0]
    assert re.search(r'name="answer:3:row:2" value="same" checked', changed.text)
    done = send(client, manager, f"{where}/import", form_of(changed.text))
    assert done.status_code == 303, done.text
    assert devices(session) == 2


def test_a_row_that_is_a_registered_aed_is_counted_once(client: TestClient, session: Session) -> None:
    estate = make.estate(session)
    manager = signed_in(session, Role.ESTATE_MANAGER, estate)
    device = make.device(session, at=PATIENT, of=estate, place_zh="门卫室")
    session.commit()
    where = upload(client, manager, ROWS[0])

    form = form_of(client.get(where, headers=manager).text) | {f"answer:2:device:{device.id}": ["same"]}
    shown = send(client, manager, f"{where}/import", form)
    assert counts(shown.text) == [0, 0, 0, 0, 0, 1]
    assert send(client, manager, f"{where}/import", form_of(shown.text)).status_code == 303
    assert counts(client.get(where, headers=manager).text) == [0, 0, 0, 0, 0, 1]
    assert devices(session) == 1


def test_an_upload_is_kept_for_its_person_alone_and_for_a_week(
    client: TestClient, session: Session, manager: dict[str, str]
) -> None:
    where = upload(client, manager, *ROWS)
    other = signed_in(session, Role.ESTATE_MANAGER, make.estate(session, around=FAR), language="zh")

    assert client.get(where, headers=other).status_code == 404
    assert client.get(f"{where}/refused.xlsx", headers=other).status_code == 404
    assert send(client, other, f"{where}/delete", {}).status_code == 404
    assert "台账.csv" in client.get("/lists", headers=manager).text
    assert "导入清单" in client.get("/lists", headers=other).text
    made = session.scalars(select(ImportDraft.created_at)).one()
    assert made is not None
    delete_old_drafts(session, at=made + KEPT_FOR)
    session.commit()
    assert "台账.csv" not in client.get("/lists", headers=manager).text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "an old Excel workbook"),
        (b"a,b\n1,2\n", "names columns that are understood"),
        ("安装位置,电话\n<script>,1\n".encode(), "has no coordinates"),
    ],
)
def test_a_bad_file_gets_a_sentence(
    client: TestClient, manager: dict[str, str], content: bytes, says: str
) -> None:
    sent = client.post("/lists", headers=manager | FORM, files={"file": ("list.xls", content)})

    assert sent.status_code == 422
    assert says in sent.text


def test_how_a_list_is_read_is_saved_and_used_for_the_next(
    client: TestClient, session: Session, manager: dict[str, str]
) -> None:
    other = signed_in(session, Role.ESTATE_MANAGER, make.estate(session, around=FAR))
    where = upload(client, manager, *ROWS)
    page = client.get(where, headers=manager).text
    form = form_of(page)
    form["holds"][0], form["holds"][3] = "", "place"
    form["place"] = re.findall(r'name="place" value="([^"]*)"', page)
    unnamed = send(client, manager, f"{where}/save-mapping", form | {"mapping_name": ["a\0b"]})
    assert unnamed.status_code == 422
    assert "1 to 60 characters" in unnamed.text

    form["version"] = form_of(unnamed.text)["version"]
    saved = send(client, manager, f"{where}/save-mapping", form | {"mapping_name": ["季度台账"]})
    assert saved.status_code == 200, saved.text
    assert "Saved as “季度台账”" in saved.text
    assert form_of(saved.text)["holds"][0] == ""

    following = upload(client, manager, *ROWS)
    page = client.get(following, headers=manager).text
    assert form_of(page)["holds"][0] == ""
    guessed = send(client, manager, f"{following}/mapping", form_of(page) | {"saved": [""]})
    assert guessed.status_code == 303
    page = client.get(following, headers=manager).text
    assert form_of(page)["holds"][0] == "place"
    number = re.search(r'<option value="(\d+)">季度台账', page)
    assert number is not None
    assert send(client, other, f"/lists/mappings/{number[1]}/delete", {}).status_code == 404
    send(client, manager, f"{following}/mapping", form_of(page) | {"saved": [number[1]]})
    assert form_of(client.get(following, headers=manager).text)["holds"][0] == ""

    renamed = {"mapping_name": ["年度台账"], "version": ["1"]}
    assert send(client, manager, f"/lists/mappings/{number[1]}/rename", renamed).status_code == 303
    assert "年度台账" in client.get("/lists", headers=manager).text
    assert "年度台账" not in client.get("/lists", headers=other).text
    assert send(client, manager, f"/lists/mappings/{number[1]}/delete", {}).status_code == 303
    assert "年度台账" not in client.get("/lists", headers=manager).text
