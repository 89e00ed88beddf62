"""Keys, encryption and the blind index, without a database."""

from __future__ import annotations

import base64
import stat
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aed.database.encryption.keyring import (
    BLIND_INDEX_LENGTH,
    EncryptedKind,
    EncryptionKey,
    KeyRing,
    generate_key,
    key_id_of,
    parse_keys,
)
from aed.database.encryption.keys import FOLLOWED_AFTER_SECONDS, keyring_from_settings, prepend_key
from aed.errors import InvalidInput, KeysUnusable
from aed.settings import Settings

NUMBER = "+8613800138000"


def ring(*written: str) -> KeyRing:
    keys = parse_keys(written, field="keys")
    return KeyRing(lambda: keys, source="the test")


@given(st.text(max_size=64))
def test_an_encrypted_value_decrypts_and_does_not_contain_the_plain_text(value: str) -> None:
    one = ring(generate_key())
    sealed = one.encrypt(value, place="people.phone", kind=EncryptedKind.PHONE)

    assert one.decrypt(sealed, place="people.phone") == value
    assert len(value) < 3 or value not in sealed


def test_a_number_is_encrypted_differently_each_time_and_has_one_index() -> None:
    one = ring(generate_key())
    first, second = (one.encrypt(NUMBER, place="people.phone", kind=EncryptedKind.PHONE) for _ in range(2))

    assert first != second
    assert (
        first[:BLIND_INDEX_LENGTH]
        == second[:BLIND_INDEX_LENGTH]
        == one.blind_index_prefixes(NUMBER, kind=EncryptedKind.PHONE)[0]
    )


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("+86 138-0013 8000", EncryptedKind.PHONE),
        ("＋８６ 138 0013 8000", EncryptedKind.PHONE),
        ("(+86) 138.0013.8000", EncryptedKind.PHONE),
    ],
)
def test_the_index_does_not_depend_on_the_notation_of_a_number(written: str, kind: EncryptedKind) -> None:
    one = ring(generate_key())
    assert one.blind_index_prefixes(written, kind=kind) == one.blind_index_prefixes(NUMBER, kind=kind)


def test_email_addresses_and_identity_numbers_are_normalised_for_comparison() -> None:
    one = ring(generate_key())
    assert one.blind_index_prefixes(
        "Wang@Example.org ", kind=EncryptedKind.EMAIL
    ) == one.blind_index_prefixes("wang@example.org", kind=EncryptedKind.EMAIL)
    upper, lower = "11010519491231002X", "110105 19491231 002x"
    assert one.blind_index_prefixes(upper, kind=EncryptedKind.IDENTITY) == one.blind_index_prefixes(
        lower, kind=EncryptedKind.IDENTITY
    )
    assert one.blind_index_prefixes(NUMBER, kind=EncryptedKind.IDENTITY) != one.blind_index_prefixes(
        NUMBER, kind=EncryptedKind.PHONE
    )


def test_another_key_finds_and_decrypts_nothing() -> None:
    one, other = ring(generate_key()), ring(generate_key())
    sealed = one.encrypt(NUMBER, place="people.phone", kind=EncryptedKind.PHONE)

    assert other.blind_index_prefixes(NUMBER, kind=EncryptedKind.PHONE) != one.blind_index_prefixes(
        NUMBER, kind=EncryptedKind.PHONE
    )
    assert other.keyed_hashes("account", NUMBER) != one.keyed_hashes("account", NUMBER)
    with pytest.raises(KeysUnusable) as refused:
        other.decrypt(sealed, place="people.phone")
    assert one.ids[0] in refused.value.detail, "names the missing key"
    assert "the test" in refused.value.detail, "names where the keys are configured"


@pytest.mark.parametrize("at", [2, 12, 15, 36, -1])
def test_an_altered_or_moved_value_does_not_decrypt(at: int) -> None:
    one = ring(generate_key())
    sealed = one.encrypt(NUMBER, place="people.phone", kind=EncryptedKind.PHONE)
    raw = list(sealed)
    raw[at] = "a" if raw[at] != "a" else "b"

    with pytest.raises(KeysUnusable):
        one.decrypt("".join(raw) if at != -1 else sealed[:-2], place="people.phone")
    with pytest.raises(KeysUnusable):
        one.decrypt(sealed, place="accounts.phone")
    other = one.encrypt("+8613800138001", place="people.phone", kind=EncryptedKind.PHONE)
    with pytest.raises(KeysUnusable):
        one.decrypt(other[: BLIND_INDEX_LENGTH + 1] + sealed[BLIND_INDEX_LENGTH + 1 :], place="people.phone")


def test_the_first_key_encrypts_and_all_keys_decrypt() -> None:
    old, new = generate_key(), generate_key()
    before = ring(old).encrypt(NUMBER, place="outbox.recipient")
    both = ring(new, old)

    assert both.decrypt(before, place="outbox.recipient") == NUMBER
    assert (
        key_id_of(both.encrypt(NUMBER, place="outbox.recipient")) == EncryptionKey.of(new).id == both.ids[0]
    )
    with pytest.raises(KeysUnusable):
        ring(old).decrypt(both.encrypt(NUMBER, place="outbox.recipient"), place="outbox.recipient")


def test_plain_values_of_the_previous_release_are_read_unchanged() -> None:
    assert ring(generate_key()).decrypt("+86 100", place="people.phone") == "+86 100"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "a secret that is no key",
        "aedkey-",
        "aedkey-short",
        generate_key()[7:],
        generate_key() + "AAAA",
        "aedkey-é",
    ],
    ids=["empty", "words", "nothing", "short", "without its name", "too long", "not ASCII"],
)
def test_an_invalid_key_is_refused_without_repeating_it(written: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_keys([written], field="AED_ENCRYPTION_KEYS")

    assert "AED_ENCRYPTION_KEYS" in refused.value.detail
    assert len(written) < 8 or written not in refused.value.detail


def test_repeated_or_too_many_keys_are_refused() -> None:
    key = generate_key()
    with pytest.raises(InvalidInput, match="twice"):
        parse_keys([key, key], field="keys")
    with pytest.raises(InvalidInput, match="1 to 3"):
        parse_keys([generate_key() for _ in range(4)], field="keys")


def test_no_printed_representation_contains_a_key() -> None:
    key = generate_key()
    settings = Settings(encryption_keys=key, database_url="postgresql://x")
    printed = f"{settings!r} {settings} {keyring_from_settings(settings)!r} {EncryptionKey.of(key)!r}"

    assert key not in printed
    assert base64.urlsafe_b64decode(key[7:] + "=").hex() not in printed
    assert str(EncryptionKey.of(key).index) not in printed


def test_a_server_without_keys_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AED_ENCRYPTION_KEYS")
    with pytest.raises(KeysUnusable, match="aed keys new"):
        keyring_from_settings(Settings(database_url="postgresql+psycopg://aed@127.0.0.1/aed"))


def test_an_embedded_database_creates_a_key_file_that_others_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AED_ENCRYPTION_KEYS", "")
    settings = Settings(database_url=f"sqlite:///{tmp_path}/aed.sqlite")

    first, second = keyring_from_settings(settings), keyring_from_settings(settings)

    file = tmp_path / "aed.keys"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first.ids == second.ids
    assert [each.name for each in tmp_path.iterdir()] == ["aed.keys"], "no other file remains"


def test_a_running_process_reloads_its_key_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    prepend_key(file, generate_key())
    settings = Settings(encryption_keys="", encryption_key_file=file, database_url="postgresql://x")
    running = keyring_from_settings(settings)
    before = running.encrypt(NUMBER, place="people.phone")

    made = prepend_key(file, generate_key())

    time.sleep(FOLLOWED_AFTER_SECONDS + 0.1)  # the file is read again only after that time
    assert running.ids == tuple(key.id for key in made)
    assert running.decrypt(before, place="people.phone") == NUMBER
    assert len(running.blind_index_prefixes(NUMBER, kind=EncryptedKind.PHONE)) == 2
    file.unlink()
    time.sleep(FOLLOWED_AFTER_SECONDS + 0.1)  # the file is read again only after that time
    assert running.decrypt(before, place="people.phone") == NUMBER, (
        "a running process does not need the deleted file"
    )


def test_an_unreadable_key_file_is_reported(tmp_path: Path) -> None:
    missing = Settings(encryption_keys="", encryption_key_file=tmp_path / "none", database_url="sqlite:///x")
    with pytest.raises(KeysUnusable, match="aed keys new --first"):
        keyring_from_settings(missing)
    (tmp_path / "none").mkdir()
    with pytest.raises(KeysUnusable, match="cannot be read"):
        keyring_from_settings(missing)
