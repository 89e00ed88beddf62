"""Feeds: lists imported from a URL, safely whatever their server does."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import schedule
from aed.accounts.permissions import ANYONE, Viewer
from aed.database.session import Database, transaction
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.http.outbound_urls import Address, redirected, refusal_reason, target_of
from aed.imports.devices.models import Review
from aed.imports.devices.rules import ReviewKind
from aed.imports.feeds import jobs
from aed.imports.feeds import queries as feed_queries
from aed.imports.feeds.actions import LEASE, FeedIn, claim_feed, remove_feed, save_feed
from aed.imports.feeds.fetching import FetchFailed, FetchLimits, Validators, fetch
from aed.imports.feeds.models import Feed, FeedResult, next_due
from aed.registry.changes import RegistryChange
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.settings import Settings
from aed.worker.jobs import Job, Now
from aed.worker.rules import every
from tests import make
from tests.cases import each_case
from tests.imports.lists import DEVICE, text_of
from tests.imports.servers import (
    LONG,
    Behave,
    Source,
    answers,
    breaks_off,
    drips,
    redirects,
    redirects_again_and_again,
    serving,
    silent,
    versions,
)
from tests.make import ADMINISTRATOR, NOW
from tests.waiting import eventually

PRIVATE_TOO = partial(refusal_reason, is_private_allowed=True)
BY = FetchLimits(most_bytes=100_000, most_seconds=5, refusal_reason=PRIVATE_TOO)
HURRIED = replace(BY, most_seconds=0.4)
UNKNOWN = Validators()


def listing(count: int = 20, **given: Any) -> str:
    return text_of({**DEVICE, "source_id": str(number), **given} for number in range(count))


@pytest.fixture
def source() -> Iterator[Source]:
    """Yield a server with a list of twenty devices."""
    with serving(answers(listing())) as found:
        yield found


# --- Refused addresses ----------------------------------------------------------------------------------

PUBLIC = ["8.8.8.8", "203.208.41.1", "2001:4860:4860::8888", "2400:3200::1", "64:ff9b::808:808"]
PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "::1",
    "fc00::1",
    "fd12:3456::1",
    "64:ff9b::a00:1",
]
NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001:db8::1",
    "2001::1",
    "2002:7f00:1::1",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PRIVATE + NEVER)
def test_private_addresses_are_not_fetched_from(address: str) -> None:
    assert refusal_reason(ip_address(address)) is not None


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_fetched_from(address: str) -> None:
    assert refusal_reason(ip_address(address)) is None


def test_only_private_networks_can_be_allowed() -> None:
    assert [each for each in PRIVATE if PRIVATE_TOO(ip_address(each)) is not None] == []
    assert [each for each in NEVER if PRIVATE_TOO(ip_address(each)) is None] == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "list.csv",
        "//host/list.csv",
        "ftp://host/list.csv",
        "file:///etc/passwd",
        "gopher://host/",
        "https://",
        "https:///list.csv",
        "https://user@host/list.csv",
        "https://user:secret@host/list.csv",
        "https://host:99999/",
        "https://host:port/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
        "https://ho st/",
        "https://host\\@other/",
        "https://例子.example/",
        "https://host/a\r\nHost: other",
        "https://host/" + "a" * 2000,
    ],
)
def test_an_unsupported_url_is_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        target_of(url)
    assert "secret" not in refused.value.detail


def test_a_redirect_is_resolved_against_its_url_and_never_downgraded_to_http() -> None:
    target = target_of("https://host/lists/old.csv?key=1#top")

    assert target.url == "https://host/lists/old.csv?key=1"
    assert redirected(target, "new.csv").url == "https://host/lists/new.csv"
    assert redirected(target, "//other:8443/x").port == 8443
    for location in ("http://host/lists/new.csv", "file:///etc/passwd", "https://[", "javascript:1"):
        with pytest.raises(InvalidInput):
            redirected(target, location)


# --- Fetching -------------------------------------------------------------------------------------------


def test_a_file_is_fetched_whole_with_its_etag_and_last_modified(source: Source, tmp_path: Path) -> None:
    modified = "Wed, 21 Oct 2026 07:28:00 GMT"
    source.behave = answers("héllo", ETag='"v1"', Last_Modified=modified)

    fetched = fetch(source.url("/a?key=1"), tmp_path / "file", known=UNKNOWN, by=BY)

    assert (tmp_path / "file").read_text() == "héllo"
    assert fetched is not None
    assert fetched.validators == Validators('"v1"', modified)
    assert fetched.size_bytes == 6
    (asked,) = source.asked
    assert (asked["path"], asked["Host"]) == ("/a?key=1", f"127.0.0.1:{source.port}")
    assert asked["User-Agent"].startswith("aed/")
    assert "If-None-Match" not in asked


def test_a_compressed_file_is_decompressed(source: Source, tmp_path: Path) -> None:
    packed = gzip.compress(b"one,") + gzip.compress(b"two")
    source.behave = answers(packed, Content_Encoding="gzip")

    assert fetch(source.url(), tmp_path / "file", known=UNKNOWN, by=BY) is not None
    assert (tmp_path / "file").read_bytes() == b"one,two"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_an_unchanged_version_is_not_downloaded_again(source: Source, tmp_path: Path) -> None:
    source.behave = versions("text", '"v1"')

    assert fetch(source.url(), tmp_path / "file", known=Validators('"v1"'), by=BY) is None
    assert fetch(source.url(), tmp_path / "file", known=Validators('"v0"'), by=BY) is not None


def test_at_most_three_redirects_are_followed(source: Source, tmp_path: Path) -> None:
    source.behave = redirects_again_and_again(3)
    assert fetch(source.url("/0"), tmp_path / "file", known=UNKNOWN, by=BY) is not None

    source.behave = redirects_again_and_again(10)
    source.asked.clear()
    with pytest.raises(FetchFailed, match="redirected more than 3 times"):
        fetch(source.url("/0"), tmp_path / "file", known=UNKNOWN, by=BY)
    assert len(source.asked) == 4


def only_this_server(address: Address) -> str | None:
    """Apply the production rule, except that the test's own server counts as public."""
    return None if str(address) == "127.0.0.1" else refusal_reason(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.2", "localhost2", "[::1]", "169.254.169.254", "[::ffff:127.0.0.1]", "0", "2130706434"]
)
def test_a_redirect_to_a_refused_address_is_not_followed(source: Source, tmp_path: Path, host: str) -> None:
    def known(name: str, port: int) -> Sequence[str]:
        return {"localhost2": ["127.0.0.2"], "0": ["0.0.0.0"], "2130706434": ["127.0.0.2"]}.get(name, [name])

    source.behave = redirects(f"http://{host}:{source.port}/secret")
    by = replace(BY, refusal_reason=only_this_server, resolve=known)

    with pytest.raises(FetchFailed, match="Nothing is fetched from there"):
        fetch(source.url(), tmp_path / "file", known=UNKNOWN, by=by)
    assert len(source.asked) == 1


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["10.1.2.3"], ["8.8.8.8", "192.168.0.1"], ["2001:4860::1", "fd00::1"]]
)
def test_a_host_name_with_any_private_address_is_refused(
    source: Source, tmp_path: Path, addresses: list[str]
) -> None:
    by = FetchLimits(most_bytes=1000, most_seconds=5, resolve=lambda host, port: addresses)

    with pytest.raises(FetchFailed, match=r"feed\.example is .*. Nothing is fetched from there"):
        fetch(source.url(host="feed.example"), tmp_path / "file", known=UNKNOWN, by=by)
    assert source.asked == []


def test_dns_rebinding_does_not_change_the_checked_address(source: Source, tmp_path: Path) -> None:
    given = iter([["127.0.0.1"], ["169.254.169.254"]])
    by = replace(BY, resolve=lambda host, port: next(given))

    assert fetch(source.url(host="feed.example"), tmp_path / "file", known=UNKNOWN, by=by) is not None
    assert source.asked[0]["Host"] == f"feed.example:{source.port}"
    assert next(given) == ["169.254.169.254"]  # the name was not resolved again


def test_the_next_address_of_a_host_is_tried_when_the_first_does_not_answer(
    source: Source, tmp_path: Path
) -> None:
    by = replace(BY, resolve=lambda host, port: ["127.0.0.9", "127.0.0.1"])

    assert fetch(source.url(host="feed.example"), tmp_path / "file", known=UNKNOWN, by=by) is not None


def test_an_unknown_host_name_is_reported(tmp_path: Path) -> None:
    def unknown(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    for by, host in ((replace(BY, resolve=unknown), "feed.example"), (BY, "a" * 64 + ".example")):
        with pytest.raises(FetchFailed, match="no server named"):
            fetch(f"https://{host}/list.csv", tmp_path / "file", known=UNKNOWN, by=by)


def test_a_proxy_in_the_environment_is_ignored(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    assert fetch(source.url(), tmp_path / "file", known=UNKNOWN, by=BY) is not None


@pytest.fixture
def certified(tmp_path: Path) -> Path:
    """Write a self-signed certificate for feed.example with its key; return the path."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path = tmp_path / "feed.example.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-days", "2", "-subj", "/CN=feed.example", "-addext", "subjectAltName=DNS:feed.example"),
            *("-keyout", path, "-out", tmp_path / "certificate.pem"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + (tmp_path / "certificate.pem").read_text())
    return path


def test_the_tls_certificate_must_match_the_host_name(
    certified: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certified)
    by = replace(BY, resolve=lambda host, port: ["127.0.0.1"])
    with serving(answers("text"), tls=tls) as source:
        with pytest.raises(FetchFailed, match="no trusted certificate"):
            fetch(source.url(host="feed.example"), tmp_path / "file", known=UNKNOWN, by=by)

        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        assert fetch(source.url(host="feed.example"), tmp_path / "file", known=UNKNOWN, by=by) is not None
        with pytest.raises(FetchFailed, match="no trusted certificate"):
            fetch(source.url(host="other.example"), tmp_path / "file", known=UNKNOWN, by=by)


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (silent(LONG), "did not send the file within"),
        (drips(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n", LONG), "did not send the file within"),
        (drips(b"HTTP/1.1 200 OK\r\n\r\n", b"a", LONG), "did not send the file within"),
        (
            drips(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"a", LONG),
            "did not send the file within",
        ),
    ],
    ids=["silent", "headers drip", "body drips", "body of a known length drips"],
)
def test_a_slow_server_times_out(tmp_path: Path, behave: Behave, reason: str) -> None:
    with serving(behave) as source:
        started = time.monotonic()
        with pytest.raises(FetchFailed, match=reason):
            fetch(source.url(), tmp_path / "file", known=UNKNOWN, by=HURRIED)
        assert time.monotonic() - started < LONG


# --- Server failures ------------------------------------------------------------------------------------

FAILURES: dict[str, tuple[Behave, str]] = {
    "404": (answers("not here", status=404), r"responded with status 404 \(Not Found\) instead of the file"),
    "500": (answers(listing(), status=500), "responded with status 500"),
    "no content": (answers("", status=204), "responded with status 204"),
    "a part of it": (answers(listing(5), status=206), "responded with status 206"),
    "unchanged, unasked": (answers("", status=304), "responded with status 304"),
    "no answer": (silent(2), "did not send the file within 0.4 s"),
    "hangs up": (breaks_off(b""), "closed the connection before the file was complete"),
    "no HTTP": (
        breaks_off(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"),
        "closed the connection before the file was complete",
    ),
    "truncated": (answers(listing(10), length=9999), "closed the connection before the file was complete"),
    "truncated in pieces": (
        breaks_off(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsourc\r\n"),
        "closed the connection before the file was complete",
    ),
    "packed and truncated": (
        answers(gzip.compress(listing().encode())[:-20], Content_Encoding="gzip"),
        "truncated or damaged",
    ),
    "packed and damaged": (answers(b"\x1f\x8b" + b"x" * 50, Content_Encoding="gzip"), "truncated or damaged"),
    "packed in another way": (
        answers("x", Content_Encoding="br"),
        "compressed as br, which was not requested",
    ),
    "a bomb": (answers(gzip.compress(b"0" * 50_000_000), Content_Encoding="gzip"), "more than 100000 bytes"),
    "too large": (answers("0" * 200_000), "more than 100000 bytes"),
    "too large, without saying so": (
        breaks_off(b"HTTP/1.1 200 OK\r\n\r\n" + b"0" * 200_000),
        "more than 100000 bytes",
    ),
    "empty": (answers(""), "example is empty"),
    "blank": (answers("\n \n"), "example is empty"),
    "no rows": (answers(listing(1).splitlines()[0] + "\n"), "no rows"),
    "an error page": (answers("<!DOCTYPE html><html><h1>502"), "is a web page"),
    "an error in JSON": (answers(json.dumps({"error": "quota exceeded"})), "^example "),
    "JSON that stops": (answers('{"type": "FeatureCollection", "features": [{"type": "Fea'), "^example "),
    "another list": (answers("a,b,c\n1,2,3\n"), "^example "),
    "every row bad": (answers(listing(3, lat="north")), "no row that can be imported"),
    "redirects": (redirects_again_and_again(10), "redirected more than 3 times"),
    "redirects to nowhere": (answers("", status=302), "without a location"),
    "redirects to a secret": (redirects("http://169.254.169.254/latest/"), "link-local"),
}


class Clock:
    """A clock that only the test advances."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def now() -> Clock:
    return Clock()


def follow(database: Database, url: str, name: str = "example", **given: Any) -> None:
    with transaction(database) as session:
        make.region(session)
        save_feed(session, ADMINISTRATOR, FeedIn(name, url, **given), by=BY, at=NOW)


def feed(database: Database, name: str = "example") -> Feed:
    with database.read_sessions() as session:
        return feed_queries.feed(session, name)


def register(database: Database) -> list[tuple[object, ...]]:
    """Return every device with its version, and the total number of changes."""
    with database.read_sessions() as session:
        devices = session.execute(
            select(Device.id, Device.source_id, Device.state, Device.version).order_by(Device.id)
        )
        changes = session.scalars(select(RegistryChange.id).order_by(RegistryChange.id))
        return [*(tuple(row) for row in devices), tuple(changes)]


def test_a_due_feed_is_imported_and_scheduled_again(database: Database, source: Source, now: Clock) -> None:
    follow(database, source.url(), every_hours=6)

    (run,) = jobs.run_feeds(database, now, by=BY)

    assert (run.result, run.message) == (FeedResult.TAKEN, "20 new, 0 changed, 0 unchanged, 0 set aside.")
    assert len(register(database)) == 21
    with database.read_sessions() as session:
        assert "feed:example" in set(session.scalars(select(RegistryChange.who)))
    assert feed(database).next_due_at == NOW + timedelta(hours=6)
    assert jobs.run_feeds(database, now, by=BY) == []
    now.at += timedelta(hours=6)
    (again,) = jobs.run_feeds(database, now, by=BY)
    assert again.result is FeedResult.UNCHANGED


def test_an_unchanged_file_is_not_imported_again_with_or_without_etag(
    database: Database, source: Source, now: Clock
) -> None:
    follow(database, source.url())
    source.behave = versions(listing(), '"v1"')
    jobs.run_feed(database, "example", now, by=BY)
    before = register(database)

    jobs.run_feed(database, "example", now, by=BY)
    assert source.asked[-1]["If-None-Match"] == '"v1"'
    source.behave = answers(listing())
    run = jobs.run_feed(database, "example", now, by=BY)

    assert run is not None
    assert run.result is FeedResult.UNCHANGED
    assert register(database) == before
    anew = jobs.run_feed(database, "example", now, by=BY, is_anew=True)
    assert anew is not None
    assert (anew.result, anew.message) == (FeedResult.TAKEN, "0 new, 0 changed, 20 unchanged, 0 set aside.")


@pytest.mark.parametrize(("behave", "reason"), FAILURES.values(), ids=FAILURES.keys())
def test_a_misbehaving_server_leaves_the_register_unchanged_and_the_feed_recovers(
    database: Database, source: Source, now: Clock, behave: Behave, reason: str
) -> None:
    follow(database, source.url("/0"), every_hours=24)
    (first,) = jobs.run_feeds(database, now, by=BY)
    assert first.result is FeedResult.TAKEN
    before = register(database)
    now.at += timedelta(hours=24)

    source.behave = behave
    (run,) = jobs.run_feeds(database, now, by=HURRIED)

    assert run.result is FeedResult.FAILED
    assert re.search(reason, run.message), run.message
    assert len(run.message.splitlines()) == 1
    assert register(database) == before
    kept = feed(database)
    assert (kept.last_tried_at, kept.last_message, kept.failures) == (now.at, run.message, 1)
    assert kept.last_imported_at == NOW
    assert kept.next_due_at == now.at + timedelta(minutes=15)
    assert kept.claim is None

    source.behave = answers(listing(21))
    now.at = kept.next_due_at
    (recovered,) = jobs.run_feeds(database, now, by=BY)
    assert recovered.message == "1 new, 0 changed, 20 unchanged, 0 set aside."
    assert feed(database).failures == 0
    assert feed(database).next_due_at == now.at + timedelta(hours=24)


def test_an_unreachable_server_is_retried_at_growing_intervals(database: Database, now: Clock) -> None:
    with serving(answers(listing())) as gone:
        url = gone.url()
    follow(database, url, every_hours=1)

    waits = []
    for _ in range(10):
        (run,) = jobs.run_feeds(database, now, by=BY)
        assert "cannot be reached" in run.message
        due = feed(database).next_due_at
        waits.append((due - now.at) / timedelta(minutes=1))
        now.at = due

    assert waits == [15, 30, 60, 120, 240, 480, 960, 1440, 1440, 1440]


def test_retry_after_is_respected_up_to_a_day(database: Database, source: Source, now: Clock) -> None:
    source.behave = answers("", status=429, Retry_After="7200")
    follow(database, source.url(), every_hours=1)

    jobs.run_feeds(database, now, by=BY)

    assert feed(database).next_due_at == NOW + timedelta(hours=2)
    for_years = next_due(NOW, every_hours=1, failures=1, asked_to_wait=timedelta(days=999))
    assert for_years == NOW + timedelta(days=1)


def test_a_feed_with_an_interval_over_a_day_waits_no_longer_after_a_failure() -> None:
    assert next_due(NOW, every_hours=168, failures=0) == NOW + timedelta(days=7)
    assert next_due(NOW, every_hours=168, failures=1) == NOW + timedelta(minutes=15)
    assert next_due(NOW, every_hours=168, failures=99) == NOW + timedelta(days=7)


# --- A list that shrinks --------------------------------------------------------------------------------


def in_service(database: Database) -> int:
    with database.read_sessions() as session:
        found = session.scalars(select(Device.id).where(Device.state == DeviceState.IN_SERVICE))
        return len(found.all())


def test_a_device_no_longer_listed_goes_out_of_service(
    database: Database, source: Source, now: Clock
) -> None:
    follow(database, source.url())
    jobs.run_feeds(database, now, by=BY)

    source.behave = answers(listing(18))
    run = jobs.run_feed(database, "example", now, by=BY)

    assert run is not None
    assert (run.result, run.message) == (
        FeedResult.TAKEN,
        "0 new, 0 changed, 18 unchanged, 0 set aside, 2 gone.",
    )
    assert in_service(database) == 18


@pytest.mark.parametrize(
    "half",
    [
        answers(listing(10)),
        # Without Content-Length or chunks: only the missing rows show that it was truncated.
        breaks_off(b"HTTP/1.1 200 OK\r\n\r\n" + listing(10).encode()),
    ],
    ids=["half the rows", "cut short without a trace"],
)
def test_a_list_that_lost_half_its_devices_is_held_back_for_review(
    database: Database, source: Source, now: Clock, half: Behave
) -> None:
    follow(database, source.url())
    jobs.run_feeds(database, now, by=BY)
    before = register(database)

    source.behave = half
    now.at += timedelta(hours=24)
    (run,) = jobs.run_feeds(database, now, by=BY)

    assert run.result is FeedResult.HELD_BACK
    assert "of list, too many to mark as gone" in run.message
    assert register(database) == before
    with database.read_sessions() as session:
        (review,) = session.scalars(select(Review))
    assert (review.kind, review.source, review.decision) == (ReviewKind.SHRINK, "list", None)

    now.at += timedelta(hours=24)
    (again,) = jobs.run_feeds(database, now, by=BY)
    assert again.result is FeedResult.HELD_BACK
    source.behave = answers(listing(20))
    now.at += timedelta(hours=24)
    (recovered,) = jobs.run_feeds(database, now, by=BY)
    assert recovered.message == "0 new, 0 changed, 20 unchanged, 0 set aside."
    assert register(database) == before
    with database.read_sessions() as session:
        assert session.scalars(select(Review)).all() == []


def test_a_truncated_list_removes_no_devices(database: Database, source: Source, now: Clock) -> None:
    follow(database, source.url())
    jobs.run_feeds(database, now, by=BY)
    before = register(database)

    source.behave = breaks_off(b"HTTP/1.1 200 OK\r\n\r\n" + listing(10).encode()[:-20])
    run = jobs.run_feed(database, "example", now, by=BY)

    assert run is not None
    assert run.message == (
        "0 new, 0 changed, 9 unchanged, 1 set aside. "
        "No device is marked as gone, because not every row identifies its device."
    )
    assert register(database) == before


# --- Scheduling and claims ------------------------------------------------------------------------------


def test_two_processes_never_run_a_feed_at_once(database: Database, source: Source, now: Clock) -> None:
    follow(database, source.url())
    both_ask = threading.Barrier(2)
    runs: list[jobs.FeedRun | None] = []

    def one() -> None:
        both_ask.wait()
        runs.append(jobs.run_feed(database, "example", now, by=BY, is_asked_for=False))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(run is None for run in runs) == [False, True]
    assert len(source.asked) == 1


def test_a_claim_expires_with_its_lease(database: Database, source: Source, now: Clock) -> None:
    follow(database, source.url())
    with transaction(database) as session:
        assert claim_feed(session, "example", at=NOW, is_asked_for=False) is not None  # then killed

    assert jobs.run_feeds(database, now, by=BY) == []
    with pytest.raises(Conflict, match="is being imported"):
        jobs.run_feed(database, "example", now, by=BY)
    now.at += LEASE + timedelta(seconds=1)
    assert len(jobs.run_feeds(database, now, by=BY)) == 1


@pytest.mark.parametrize("what", ["removed", "moved", "taken over"])
def test_a_run_that_lost_its_claim_writes_nothing(
    database: Database, source: Source, now: Clock, what: str
) -> None:
    follow(database, source.url())
    before = register(database)

    def meanwhile(to: Any) -> None:
        with transaction(database) as session:
            if what == "removed":
                remove_feed(session, ADMINISTRATOR, "example")
            elif what == "moved":
                moved = FeedIn("example", source.url("/new.csv"))
                save_feed(session, ADMINISTRATOR, moved, by=BY, at=NOW)
            else:
                late = NOW + LEASE + timedelta(seconds=1)
                assert claim_feed(session, "example", at=late, is_asked_for=False) is not None
        answers(listing())(to)

    source.behave = meanwhile
    run = jobs.run_feed(database, "example", now, by=BY)

    assert run is not None
    assert run.result is FeedResult.FAILED
    assert "import was rolled back" in run.message
    assert register(database) == before
    if what != "removed":
        assert feed(database).last_tried_at is None


def test_a_failing_feed_does_not_block_other_feeds(database: Database, source: Source, now: Clock) -> None:
    follow(database, "http://127.0.0.1:1/", "broken")
    follow(database, source.url(), "works")

    assert [(run.name, run.result) for run in jobs.run_feeds(database, now, by=BY)] == [
        ("broken", FeedResult.FAILED),
        ("works", FeedResult.TAKEN),
    ]


# --- Configured feeds -----------------------------------------------------------------------------------


def test_strangers_and_readers_may_not_add_feeds(session: Session) -> None:
    given = FeedIn("example", "https://feed.example/list.csv")
    reader = Viewer(role=ADMINISTRATOR.role, name="reads")
    for who, refused in ((ANYONE, NotSignedIn), (reader, NotAllowed)):
        with pytest.raises(refused):
            save_feed(session, who, given, by=BY, at=NOW)
        with pytest.raises(refused):
            remove_feed(session, who, "example")


@each_case(
    ("given", "field"),
    [
        ({"name": "Example"}, "name"),
        ({"name": "../x"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a" * 65}, "name"),
        ({"url": "ftp://feed.example/"}, "url"),
        ({"url": "http://127.0.0.1/list.csv"}, "url"),
        ({"url": "http://[::1]/list.csv"}, "url"),
        ({"url": "http://169.254.169.254/"}, "url"),
        ({"every_hours": 0}, "every"),
        ({"every_hours": 745}, "every"),
        ({"mapping": "nonsense"}, "mapping"),
        ({"region": "ZZ"}, "region"),
        ({"source": "registry"}, "source"),
        ({"source": " "}, "source"),
    ],
)
def test_an_invalid_feed_is_refused_by_its_field(session: Session, given: dict[str, Any], field: str) -> None:
    asked = replace(FeedIn("example", "https://feed.example/list.csv"), **given)
    with pytest.raises((InvalidInput, NotFound)) as refused:
        save_feed(session, ADMINISTRATOR, asked, by=FetchLimits(1000, 1), at=NOW)
    assert refused.value.field == field


def test_a_feed_with_a_new_url_is_fetched_again_and_one_with_a_new_interval_is_not(
    database: Database, source: Source, now: Clock
) -> None:
    source.behave = versions(listing(), '"v1"')
    follow(database, source.url())
    jobs.run_feeds(database, now, by=BY)

    follow(database, source.url(), every_hours=1)
    assert feed(database).etag == '"v1"'
    follow(database, source.url("/new.csv"), every_hours=1)

    assert (feed(database).etag, feed(database).digest) == (None, None)
    assert feed(database).next_due_at == NOW


def test_a_feed_is_read_by_its_mapping(database: Database, source: Source, now: Clock) -> None:
    mapping = """
        name: town
        title: The town's list
        source: town
        id: {columns: No, content: Where}
        position: {lat: Y, lon: X}
        language: en
        fields: {place: Where}
    """
    source.behave = answers("No,Y,X,Where\n1,30.29,120.10,Town hall\n")
    follow(database, source.url(), mapping=mapping, region="CN-33")

    (run,) = jobs.run_feeds(database, now, by=BY)

    assert run.message == "1 new, 0 changed, 0 unchanged, 0 set aside."
    with database.read_sessions() as session:
        assert session.execute(select(Device.source, Device.place_en)).one() == ("town", "Town hall")


def test_two_lists_of_one_format_are_distinguished_by_publisher(
    database: Database, source: Source, now: Clock
) -> None:
    mapping = """
        name: town
        title: A town's list
        source: town
        id: {columns: No, content: Where}
        position: {lat: Y, lon: X}
        language: en
        fields: {place: Where}
    """
    for name, lat in (("north", "30.29"), ("south", "30.19")):
        source.behave = answers(f"No,Y,X,Where\n1,{lat},120.10,Town hall of {name}\n")
        follow(database, source.url(), name, mapping=mapping, region="CN-33", source=name)
        (run,) = jobs.run_feeds(database, now, by=BY)
        assert run.message == "1 new, 0 changed, 0 unchanged, 0 set aside."

    with database.read_sessions() as session:
        found = session.execute(select(Device.source, Device.state).order_by(Device.source)).all()
    assert found == [("north", DeviceState.IN_SERVICE), ("south", DeviceState.IN_SERVICE)]


# --- The scheduled job ----------------------------------------------------------------------------------


def test_the_worker_runs_feeds_beside_the_server(
    database: Database, settings: Settings, source: Source
) -> None:
    follow(database, source.url())
    (job,) = [each for each in schedule.TIMETABLE if each.name == "feeds"]
    often = replace(job, when=every(seconds=0.1))
    allowed = settings.model_copy(update={"run_jobs": True, "feed_allow_private": True})

    with schedule.running(allowed, [often]):
        assert eventually(lambda: feed(database).last_result is FeedResult.TAKEN)


def test_a_failed_job_is_retried_after_its_delay(settings: Settings) -> None:
    tried = []

    def fails(_database: Database, _settings: Settings, _now: Now) -> None:
        tried.append(True)
        raise Conflict("Not now.")

    with schedule.running(
        settings.model_copy(update={"run_jobs": True}),
        [Job("fails", every(seconds=0.05), fails, "Fails")],
    ):
        assert eventually(lambda: len(tried) > 2)


def test_jobs_run_in_the_server_when_configured_or_on_a_single_machine(settings: Settings) -> None:
    is_alone = settings.database_url.startswith("sqlite")

    assert schedule.runs_in_this_process(settings) is is_alone
    assert (
        schedule.runs_in_this_process(settings.model_copy(update={"run_jobs": not is_alone})) is not is_alone
    )
