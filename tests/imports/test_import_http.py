"""Importing a list of devices over HTTP."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from aed.database.locks import exclusive_lock
from aed.database.session import Database, transaction
from aed.imports.devices.models import SourceRecord
from aed.registry.changes import RegistryChange
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.settings import Settings
from tests import forked, make
from tests.commands import ROOT, environment, wait_until_answered
from tests.imports.lists import DEVICE, text_of
from tests.make import PATIENT, north_of

WHERE = "/v1/imports/devices"


@pytest.fixture
def office(session: Session) -> dict[str, str]:
    """Return the headers of an administrator with write access; a region exists."""
    make.region(session)
    headers = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    return headers


def rows_of(count: int, **given: Any) -> list[dict[str, Any]]:
    return [
        DEVICE | {"source_id": str(n), "lat": north_of(PATIENT, metres=100 * n).lat} | given
        for n in range(count)
    ]


def csv_of(*rows: Mapping[str, Any]) -> bytes:
    return text_of(rows).encode()


def form_of(boundary: str = "----x", **parts: bytes) -> bytes:
    """Return a multipart form; each part is a file named after its field."""
    written = []
    for name, part in parts.items():
        named = f'Content-Disposition: form-data; name="{name}"; filename="{name}.csv"'
        written.append(f"--{boundary}\r\n{named}\r\n\r\n".encode() + part + b"\r\n")
    return b"".join(written) + f"--{boundary}--\r\n".encode()


FORM = {"Content-Type": "multipart/form-data; boundary=----x"}


def row_counts(session: Session) -> tuple[int, int, int]:
    """Return the numbers of devices, source records and device changes."""
    session.rollback()
    devices = session.scalar(select(func.count(Device.id)))
    records = session.scalar(select(func.count(SourceRecord.id)))
    changes = session.scalar(select(func.count(RegistryChange.id)).where(RegistryChange.subject == "devices"))
    session.rollback()
    return devices or 0, records or 0, changes or 0


# --- Permissions --------------------------------------------------------------------------------------------


def test_only_managers_and_administrators_with_the_write_scope_import(
    client: TestClient, session: Session
) -> None:
    estate = make.estate(session)
    asking = {
        401: [{}, {"Authorization": "Bearer aed_wrong"}],
        403: [
            make.key(session, TokenRole.MEMBER, estate=estate),
            make.key(session, TokenRole.DISPATCHER, region=make.region(session), writes=True),
            make.key(session, TokenRole.ADMINISTRATOR),
        ],
        422: [make.key(session, TokenRole.MEMBER, estate=estate, writes=True)],  # only lists kept by hand
    }
    session.commit()

    for status, them in asking.items():
        for headers in them:
            answer = client.post(WHERE, content=csv_of(DEVICE), headers=headers)
            assert answer.status_code == status, answer.text
    assert row_counts(session) == (0, 0, 0)


# --- Results ------------------------------------------------------------------------------------------------


def test_a_list_is_imported_and_importing_it_again_changes_nothing(
    client: TestClient, session: Session, office: dict[str, str]
) -> None:
    list_of_three = csv_of(*rows_of(3), DEVICE | {"source_id": "bad", "lat": "x"})

    answer = client.post(f"{WHERE}?name=town.csv", content=list_of_three, headers=office)

    assert answer.status_code == 200, answer.text
    reply = answer.json()
    assert (reply["file"], reply["new"], reply["changed"], reply["unchanged"]) == ("town.csv", 3, 0, 0)
    assert [row["source_id"] for row in reply["rows_new"]] == ["0", "1", "2"]
    assert reply["rows_set_aside"] == [{"where": "line 5", "reason": "lat: must be a number (it is 'x')"}]
    first = reply["rows_new"][0]["device_id"]
    assert client.get(f"/v1/devices/{first}", headers=office).status_code == 200
    before = row_counts(session)
    assert before == (3, 3, 3)

    again = client.post(WHERE, content=list_of_three, headers=office).json()

    assert (again["new"], again["changed"], again["unchanged"], again["set_aside"]) == (0, 0, 3, 1)
    assert row_counts(session) == before


def test_a_change_is_reported_and_logged_with_its_token(
    client: TestClient, session: Session, office: dict[str, str]
) -> None:
    client.post(WHERE, content=csv_of(DEVICE), headers=office)

    reply = client.post(WHERE, content=csv_of(DEVICE | {"maker": "Mindray"}), headers=office).json()

    assert reply["rows_changed"][0]["changes"] == [{"attribute": "maker", "before": None, "now": "Mindray"}]
    newest = session.scalars(
        select(RegistryChange).where(RegistryChange.subject == "devices").order_by(RegistryChange.id)
    ).all()[-1]
    assert newest.who.startswith("token:")
    assert newest.fields == {"maker": [None, "Mindray"]}


def test_a_dry_run_changes_nothing(client: TestClient, session: Session, office: dict[str, str]) -> None:
    reply = client.post(f"{WHERE}?dry_run=true", content=csv_of(*rows_of(3)), headers=office).json()

    assert (reply["is_dry_run"], reply["new"]) == (True, 3)
    assert [row["device_id"] for row in reply["rows_new"]] == [None] * 3
    assert row_counts(session) == (0, 0, 0)
    assert client.post(WHERE, content=csv_of(*rows_of(3)), headers=office).json()["new"] == 3


def test_a_full_list_removes_missing_devices_a_partial_list_none_and_a_large_loss_is_held_back(
    client: TestClient, session: Session, office: dict[str, str]
) -> None:
    client.post(WHERE, content=csv_of(*rows_of(20)), headers=office)

    part = client.post(f"{WHERE}?partial=true", content=csv_of(*rows_of(1)), headers=office).json()
    assert (part["gone"], part["no_longer_listed"]) == (0, [])
    few = client.post(WHERE, content=csv_of(*rows_of(10)), headers=office).json()
    assert (few["gone"], few["held_back"]) == (0, 10)
    assert few["no_longer_listed"][0]["is_held_back"]
    assert client.get("/v1/reviews", headers=office).json()[0]["kind"] == "shrink"
    accepted = client.post(f"{WHERE}?accept_shrink=true", content=csv_of(*rows_of(10)), headers=office).json()
    assert (accepted["gone"], accepted["held_back"]) == (10, 0)
    out = select(func.count()).where(Device.state == DeviceState.OUT_OF_SERVICE)
    assert session.scalar(out) == 10


def test_a_possible_duplicate_of_another_list_waits_for_review(
    client: TestClient, office: dict[str, str]
) -> None:
    client.post(WHERE, content=csv_of(DEVICE | {"place_zh": "大堂"}), headers=office)
    near = DEVICE | {"source": "theirs", "lat": north_of(PATIENT, metres=8).lat}

    reply = client.post(WHERE, content=csv_of(near), headers=office).json()

    assert (reply["waiting"], reply["merged"], reply["new"]) == (1, 0, 0)
    (row,) = reply["rows_matched"]
    assert (row["device_id"], row["match"]["is_sure"]) == (None, False)
    assert any("8 m apart" in sign for sign in row["match"]["reasons"])


MAPPING = (
    "name: ours\ntitle: Ours\nsource: ours\nposition: {lat: breite, lon: laenge}\n"
    "id: {content: nr}\nfields: {place: ort}\n"
)
TABLE = "nr;ort;breite;laenge\n7;Häuschen;30.29;120.10\n".encode()


def test_a_list_is_uploaded_in_a_form_with_a_mapping(client: TestClient, office: dict[str, str]) -> None:
    form = form_of(file=TABLE, mapping=MAPPING.encode())

    answer = client.post(f"{WHERE}?region=CN-33", content=form, headers=office | FORM)

    assert answer.status_code == 200, answer.text
    assert (answer.json()["file"], answer.json()["new"]) == ("file.csv", 1)
    assert answer.json()["rows_new"][0]["source"] == "ours"


def test_a_list_of_a_shared_format_is_filed_under_the_given_source(
    client: TestClient, office: dict[str, str]
) -> None:
    form = form_of(file=TABLE, mapping=MAPPING.encode())
    where = f"{WHERE}?region=CN-33&source=theirs"

    answer = client.post(where, content=form, headers=office | FORM)

    assert answer.json()["rows_new"][0]["source"] == "theirs"
    refused = client.post(f"{WHERE}?source=theirs", content=csv_of(DEVICE), headers=office)
    assert refused.status_code == 422
    assert "each row names it" in refused.json()["detail"]


# --- Rejections ---------------------------------------------------------------------------------------------


def test_a_file_that_is_not_a_list_is_refused_in_a_sentence(
    client: TestClient, session: Session, office: dict[str, str]
) -> None:
    for body in (
        b"",
        b"<html></html>",
        b"\x00\xff",
        b'{"error": "no"}',
        "源,名称\n".encode("gbk"),
        b"%PDF-1",
    ):
        answer = client.post(WHERE, content=body, headers=office)
        assert answer.status_code == 422, answer.text
        assert answer.json()["type"] == "urn:aed:problem:invalid-input"
    whole = form_of(file=csv_of(DEVICE))
    forms = (
        (b"nothing", "not a complete form"),
        (whole[:-20], "not a complete form"),
        (form_of(list=csv_of(DEVICE)), "a part 'file'"),
        (form_of(file=TABLE, mapping=b"\xff\xfe"), "not UTF-8"),
        (form_of(file=TABLE, mapping=b"name: [\n"), "mapping"),
        (form_of(file=TABLE, mapping=b"#" * 100_001), "larger than 100 kB"),
    )
    for body, says in forms:
        answer = client.post(WHERE, content=body, headers=office | FORM)
        assert answer.status_code == 422, answer.text
        assert says in answer.json()["detail"]
    no_boundary = {"Content-Type": "multipart/form-data"}
    assert client.post(WHERE, content=whole, headers=office | no_boundary).status_code == 422
    assert row_counts(session) == (0, 0, 0)


@pytest.mark.parametrize(
    ("query", "rows", "says"),
    [
        ("", [DEVICE | {"lat": "x"}], "has no row that can be imported: 1 bad rows, first line 2"),
        (
            "?strict=true",
            [DEVICE, DEVICE | {"source_id": "2", "lat": "x"}],
            "Nothing was imported: 1 bad rows",
        ),
    ],
)
def test_a_refused_import_lists_the_rows_set_aside(
    client: TestClient,
    session: Session,
    office: dict[str, str],
    query: str,
    rows: list[dict[str, Any]],
    says: str,
) -> None:
    answer = client.post(WHERE + query, content=csv_of(*rows), headers=office)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "urn:aed:problem:nothing-taken"
    assert says in problem["detail"]
    where = f"line {len(rows) + 1}"
    assert problem["errors"] == [{"field": where, "detail": "lat: must be a number (it is 'x')"}]
    assert row_counts(session) == (0, 0, 0)


def test_a_list_may_be_as_large_as_the_configured_limit(
    client_on: Callable[[Settings], TestClient],
    settings: Settings,
    session: Session,
    office: dict[str, str],
) -> None:
    content = csv_of(*rows_of(3))
    small = {"body_limit_bytes": 100, "lint_limit_bytes": 100, "import_limit_bytes": len(content)}
    client = client_on(settings.model_copy(update=small))

    def in_pieces() -> Iterator[bytes]:
        yield from (content, b" ")

    for too_large in (content + b" ", in_pieces()):
        refused = client.post(WHERE, content=too_large, headers=office)
        assert refused.status_code == 413
        assert refused.json()["type"] == "urn:aed:problem:too-large"
        assert str(len(content)) in refused.json()["detail"]
    assert row_counts(session) == (0, 0, 0)
    assert client.post(WHERE, content=content, headers=office).json()["new"] == 3


# --- Concurrency and interruption ---------------------------------------------------------------------------


def test_a_full_disk_is_reported_in_a_sentence(
    client: TestClient, session: Session, office: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null")  # where no folder can be created

    answer = client.post(WHERE, content=csv_of(DEVICE), headers=office)

    assert answer.status_code == 507
    assert answer.json()["type"] == "urn:aed:problem:no-room"
    assert "cannot be stored on this machine" in answer.json()["detail"]
    assert row_counts(session) == (0, 0, 0)


def test_a_file_name_too_long_for_the_file_system_is_truncated(
    client: TestClient, office: dict[str, str]
) -> None:
    answer = client.post(WHERE, params={"name": "清" * 100 + ".csv"}, content=csv_of(DEVICE), headers=office)

    assert answer.status_code == 200, answer.text


def test_a_second_simultaneous_import_is_refused(
    client_on: Callable[[Settings], TestClient],
    settings: Settings,
    database: Database,
    session: Session,
    office: dict[str, str],
) -> None:
    session.close()
    client = client_on(settings.model_copy(update={"lock_timeout_ms": 300}))
    with transaction(database) as going_on:
        going_on.connection()  # on SQLite, take the only write lock
        exclusive_lock(going_on, "import")

        answer = client.post(WHERE, content=csv_of(DEVICE), headers=office)

        on_postgres = database.engine.dialect.name == "postgresql"
        assert answer.status_code == (429 if on_postgres else 503), answer.text
    assert client.post(WHERE, content=csv_of(DEVICE), headers=office).json()["new"] == 1


@pytest.fixture
def serve(database_url: str, tmp_path: Path) -> Iterator[Callable[[], tuple[forked.Forked, str]]]:
    """Yield a function that starts `aed serve` as a process; it returns the process and its URL."""
    started: list[forked.Forked] = []

    def start() -> tuple[forked.Forked, str]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        files = tmp_path / "temporary"
        files.mkdir(exist_ok=True)
        log = tmp_path / f"serve-{port}.log"
        settings = environment(
            AED_DATABASE_URL=database_url,
            AED_WALKING_NETWORK=str(tmp_path / "none.npz"),
            AED_PORT=str(port),
            AED_RUN_JOBS="false",
            TMPDIR=str(files),
        )
        process = forked.start(["serve"], cwd=ROOT, env=settings, output=log)
        started.append(process)
        url = f"http://127.0.0.1:{port}"
        wait_until_answered(url, process, log)
        return process, url

    yield start
    for process in started:
        process.kill()
        process.wait(timeout=300)


def many() -> bytes:
    row = DEVICE | {"place_en": "Hall", "pads_expire_on": "2028-05-31"}
    return csv_of(*(row | {"source_id": f"d{number}"} for number in range(6_000)))


def test_of_two_simultaneous_imports_one_runs_and_a_killed_server_changes_nothing(
    serve: Callable[[], tuple[forked.Forked, str]],
    session: Session,
    office: dict[str, str],
    tmp_path: Path,
) -> None:
    process, url = serve()
    headers = office
    answers: list[int | None] = []

    def ask() -> None:
        try:
            answers.append(httpx2.post(url + WHERE, content=many(), headers=headers, timeout=60).status_code)
        except httpx2.TransportError:
            answers.append(None)

    first = threading.Thread(target=ask)
    first.start()
    wait_for_a_file_in(tmp_path / "temporary")
    second = httpx2.post(url + WHERE, content=csv_of(DEVICE), headers=headers, timeout=60)
    assert (second.status_code, second.json()["type"]) == (429, "urn:aed:problem:too-busy"), second.text
    assert first.is_alive()
    os.kill(process.pid, signal.SIGKILL)
    first.join(timeout=300)

    assert answers == [None]
    assert row_counts(session) == (0, 0, 0)
    _, url = serve()
    taken = httpx2.post(url + WHERE, content=many(), headers=headers, timeout=120)
    assert taken.json()["new"] == 6_000, taken.text
    assert row_counts(session)[0] == 6_000


def wait_for_a_file_in(folder: Path) -> None:
    """Wait until an upload is complete: the import is about to begin."""
    for _ in range(2_000):
        if any(path.is_file() and path.name != ".coming" for path in folder.rglob("*")):
            time.sleep(0.1)
            return
        time.sleep(0.005)
    raise AssertionError("no file has come")


def test_an_interrupted_upload_imports_nothing(
    serve: Callable[[], tuple[forked.Forked, str]],
    session: Session,
    office: dict[str, str],
    tmp_path: Path,
) -> None:
    _, url = serve()
    port = int(url.rpartition(":")[2])
    content = many()
    head = f"POST {WHERE} HTTP/1.1\r\nHost: aed\r\nContent-Length: {len(content)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in office.items())
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head.encode() + b"\r\n" + content[: len(content) // 2])
        for _ in range(400):
            if list((tmp_path / "temporary").rglob(".coming")):
                break
            time.sleep(0.01)
    for _ in range(400):
        if not list((tmp_path / "temporary").iterdir()):
            break
        time.sleep(0.01)

    assert list((tmp_path / "temporary").iterdir()) == []
    assert row_counts(session) == (0, 0, 0)
    answer = httpx2.post(url + WHERE, content=csv_of(DEVICE), headers=office, timeout=60)
    assert json.loads(answer.content)["new"] == 1


def most_memory_of(process: forked.Forked) -> int:
    """Return the process's peak resident memory in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.parametrize("is_form", [False, True])
def test_a_large_file_is_streamed(
    serve: Callable[[], tuple[forked.Forked, str]], office: dict[str, str], is_form: bool
) -> None:
    process, url = serve()
    size = 100_000_000

    def pieces() -> Iterator[bytes]:
        if is_form:
            yield b'------x\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'
        yield b"%PDF"
        for _ in range(size // 50_000):
            yield b"x" * 50_000
        if is_form:
            yield b"\r\n------x--\r\n"

    headers = office | (FORM if is_form else {})
    httpx2.post(url + WHERE, content=csv_of(DEVICE), headers=office, timeout=60)
    before = most_memory_of(process)

    answer = httpx2.post(url + WHERE, content=pieces(), headers=headers, timeout=60)

    assert "is a PDF document" in answer.json()["detail"]
    assert most_memory_of(process) - before < size / 5


def test_values_are_mended_by_kind_and_questions_answered_over_http(
    client: TestClient, session: Session
) -> None:
    office = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    rows = [
        f"大堂,{PATIENT.lon},{PATIENT.lat}",
        f"会所,{PATIENT.lon},{PATIENT.lat}",
        f"后门,{PATIENT.lat},{PATIENT.lon}",
    ]
    content = "\n".join(["安装位置,经度,纬度", *rows]).encode()
    preview = client.post(f"{WHERE}/preview", params={"name": "l.csv"}, content=content, headers=office)
    question = preview.json()["questions"][0]
    assert (question["number"], question["other"], question["why"]) == (3, "row:2", "point")
    assert (question["row"]["place_zh"], question["known"]["place_zh"]) == ("会所", "大堂")
    files = {"file": ("l.csv", content), "mapping": ("m.yaml", preview.json()["mapping"].encode())}

    def sent(**given: Any) -> httpx2.Response:
        return client.post(WHERE, params={"region": "CN-33"} | given, files=files, headers=office)

    make.region(session)
    session.commit()
    refused = sent(fix="duplicate_id")
    assert (refused.status_code, "cannot be mended" in refused.text) == (422, True)
    assert sent(answer="3:row:2:perhaps").status_code == 422
    assert sent(answer="3:row:2:").status_code == 422
    assert sent(answer="x\0").status_code == 422
    reply = sent(fix="coordinates_swapped", answer="3:row:2:same").json()

    assert (reply["new"], reply["merged"], reply["mended"], reply["set_aside"]) == (2, 1, 1, 0)
    assert reply["values_mended"][0]["kind"] == "coordinates_swapped"
