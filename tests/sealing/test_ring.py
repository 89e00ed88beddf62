"""Keys, sealing and the blind index, without a database."""

from __future__ import annotations

import base64
import stat
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aed.database.encryption import KeyRing, Kind, ring_in
from aed.database.encryption.keys import FOLLOWED_AFTER_SECONDS, add_first
from aed.database.encryption.ring import FOUND_BY, Key, id_of, keys_of, new_key
from aed.errors import InvalidInput, KeysUnusable
from aed.settings import Settings

NUMBER = "+8613800138000"


def ring(*written: str) -> KeyRing:
    keys = keys_of(written, field="keys")
    return KeyRing(lambda: keys, source="the test")


@given(st.text(max_size=64))
def test_what_was_sealed_opens_and_does_not_stand_in_it(value: str) -> None:
    one = ring(new_key())
    sealed = one.seal(value, place="people.phone", kind=Kind.PHONE)

    assert one.open(sealed, place="people.phone") == value
    assert len(value) < 3 or value not in sealed


def test_the_same_number_is_sealed_otherwise_each_time_and_found_all_the_same() -> None:
    one = ring(new_key())
    first, second = (one.seal(NUMBER, place="people.phone", kind=Kind.PHONE) for _ in range(2))

    assert first != second
    assert first[:FOUND_BY] == second[:FOUND_BY] == one.found_by(NUMBER, kind=Kind.PHONE)[0]


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("+86 138-0013 8000", Kind.PHONE),
        ("＋８６ 138 0013 8000", Kind.PHONE),
        ("(+86) 138.0013.8000", Kind.PHONE),
    ],
)
def test_it_does_not_matter_how_a_number_is_written(written: str, kind: Kind) -> None:
    one = ring(new_key())
    assert one.found_by(written, kind=kind) == one.found_by(NUMBER, kind=kind)


def test_an_address_and_an_identity_number_are_compared_as_people_write_them() -> None:
    one = ring(new_key())
    assert one.found_by("Wang@Example.org ", kind=Kind.EMAIL) == one.found_by(
        "wang@example.org", kind=Kind.EMAIL
    )
    upper, lower = "11010519491231002X", "110105 19491231 002x"
    assert one.found_by(upper, kind=Kind.IDENTITY) == one.found_by(lower, kind=Kind.IDENTITY)
    assert one.found_by(NUMBER, kind=Kind.IDENTITY) != one.found_by(NUMBER, kind=Kind.PHONE)


def test_who_has_another_key_finds_and_opens_nothing() -> None:
    one, other = ring(new_key()), ring(new_key())
    sealed = one.seal(NUMBER, place="people.phone", kind=Kind.PHONE)

    assert other.found_by(NUMBER, kind=Kind.PHONE) != one.found_by(NUMBER, kind=Kind.PHONE)
    assert other.hidden("account", NUMBER) != one.hidden("account", NUMBER)
    with pytest.raises(KeysUnusable) as refused:
        other.open(sealed, place="people.phone")
    assert one.ids[0] in refused.value.detail, "which key to look for"
    assert "the test" in refused.value.detail, "and where to put it"


@pytest.mark.parametrize("at", [2, 12, 15, 36, -1])
def test_a_value_that_was_changed_or_moved_does_not_open(at: int) -> None:
    one = ring(new_key())
    sealed = one.seal(NUMBER, place="people.phone", kind=Kind.PHONE)
    raw = list(sealed)
    raw[at] = "a" if raw[at] != "a" else "b"

    with pytest.raises(KeysUnusable):
        one.open("".join(raw) if at != -1 else sealed[:-2], place="people.phone")
    with pytest.raises(KeysUnusable):
        one.open(sealed, place="accounts.phone")
    other = one.seal("+8613800138001", place="people.phone", kind=Kind.PHONE)
    with pytest.raises(KeysUnusable):
        one.open(other[: FOUND_BY + 1] + sealed[FOUND_BY + 1 :], place="people.phone")


def test_the_first_key_seals_and_all_open() -> None:
    old, new = new_key(), new_key()
    before = ring(old).seal(NUMBER, place="outbox.recipient")
    both = ring(new, old)

    assert both.open(before, place="outbox.recipient") == NUMBER
    assert id_of(both.seal(NUMBER, place="outbox.recipient")) == Key.of(new).id == both.ids[0]
    with pytest.raises(KeysUnusable):
        ring(old).open(both.seal(NUMBER, place="outbox.recipient"), place="outbox.recipient")


def test_what_the_release_before_wrote_is_read_as_it_is() -> None:
    assert ring(new_key()).open("+86 100", place="people.phone") == "+86 100"


@pytest.mark.parametrize(
    "written",
    ["", "a secret that is no key", "aedkey-", "aedkey-short", new_key()[7:], new_key() + "AAAA", "aedkey-é"],
    ids=["empty", "words", "nothing", "short", "without its name", "too long", "not ASCII"],
)
def test_what_is_no_key_is_refused_without_repeating_it(written: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        keys_of([written], field="AED_ENCRYPTION_KEYS")

    assert "AED_ENCRYPTION_KEYS" in refused.value.detail
    assert len(written) < 8 or written not in refused.value.detail


def test_a_key_twice_or_too_many_are_refused() -> None:
    key = new_key()
    with pytest.raises(InvalidInput, match="twice"):
        keys_of([key, key], field="keys")
    with pytest.raises(InvalidInput, match="1 to 3"):
        keys_of([new_key() for _ in range(4)], field="keys")


def test_nothing_that_is_printed_holds_a_key() -> None:
    key = new_key()
    settings = Settings(encryption_keys=key, database_url="postgresql://x")
    printed = f"{settings!r} {settings} {ring_in(settings)!r} {Key.of(key)!r}"

    assert key not in printed
    assert base64.urlsafe_b64decode(key[7:] + "=").hex() not in printed
    assert str(Key.of(key).index) not in printed


def test_a_server_without_keys_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AED_ENCRYPTION_KEYS")
    with pytest.raises(KeysUnusable, match="aed keys new"):
        ring_in(Settings(database_url="postgresql+psycopg://aed@127.0.0.1/aed"))


def test_a_database_of_its_own_makes_itself_a_key_file_that_others_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AED_ENCRYPTION_KEYS", "")
    settings = Settings(database_url=f"sqlite:///{tmp_path}/aed.sqlite")

    first, second = ring_in(settings), ring_in(settings)

    file = tmp_path / "aed.keys"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first.ids == second.ids
    assert [each.name for each in tmp_path.iterdir()] == ["aed.keys"], "nothing else is left"


def test_a_running_process_follows_its_key_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    add_first(file, new_key())
    settings = Settings(encryption_keys="", encryption_key_file=file, database_url="postgresql://x")
    running = ring_in(settings)
    before = running.seal(NUMBER, place="people.phone")

    made = add_first(file, new_key())

    time.sleep(FOLLOWED_AFTER_SECONDS + 0.1)
    assert running.ids == tuple(key.id for key in made)
    assert running.open(before, place="people.phone") == NUMBER
    assert len(running.found_by(NUMBER, kind=Kind.PHONE)) == 2
    file.unlink()
    time.sleep(FOLLOWED_AFTER_SECONDS + 0.1)
    assert running.open(before, place="people.phone") == NUMBER, "a file that is gone is not needed to go on"


def test_a_key_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    missing = Settings(encryption_keys="", encryption_key_file=tmp_path / "none", database_url="sqlite:///x")
    with pytest.raises(KeysUnusable, match="aed keys new --first"):
        ring_in(missing)
    (tmp_path / "none").mkdir()
    with pytest.raises(KeysUnusable, match="cannot be read"):
        ring_in(missing)
