"""Commands: `aed keys`, the keys of encrypted columns."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Annotated

import typer

from aed.cli.context import cli_database
from aed.cli.language import either
from aed.cli.screen import counting, plural, say, table
from aed.database.encryption import keys as key_files
from aed.database.encryption.keyring import EncryptionKey, generate_key
from aed.errors import InvalidInput
from aed.personal_data import key_rotation
from aed.settings import load_settings

keys = typer.Typer(no_args_is_help=True)


@keys.command("new")
def new(
    first: Annotated[
        bool, typer.Option("--first", help="Add it as the first key of the key file; running servers notice")
    ] = False,
) -> None:
    """Create a key: print it without storing it, or with --first, add it to the key file."""
    made = generate_key()
    if not first:
        print(made)  # noqa: T201 - alone on standard output, for pipes
        sys.stderr.write(
            f"Key {EncryptionKey.of(made).id}. Store it apart from the database and its "
            "backups: without it, encrypted data cannot be read.\nTo start using encryption, "
            "set AED_ENCRYPTION_KEYS=KEY. To change keys: add the new key last and restart "
            "every process; move it first and restart again; run `aed keys rotate`; remove "
            "the old key.\n"
        )
        return
    settings = load_settings()
    file = key_files.key_file_path(settings)
    if settings.encryption_keys is not None and settings.encryption_keys.get_secret_value().strip():
        raise InvalidInput(
            either(
                "The keys are in AED_ENCRYPTION_KEYS, not in a file. Create one without --first "
                "and add it to that setting.",
                "密钥保存在 AED_ENCRYPTION_KEYS 中，不在文件里。请不带 --first 生成密钥，再加入该设置。",
            ),
            field="first",
        )
    if file is None:
        raise InvalidInput(
            either(
                "There is no key file. Name one in AED_ENCRYPTION_KEY_FILE.",
                "没有密钥文件，请用 AED_ENCRYPTION_KEY_FILE 指定。",
            ),
            field="first",
        )
    found = key_files.prepend_key(file, made)
    rest = "; now run `aed keys rotate`" if len(found) > 1 else ""
    say(f"Key {found[0].id} is now the first of {len(found)} in {file}{rest}.")


@keys.command("show")
def show() -> None:
    """List the keys, and how much is encrypted with each."""
    with cli_database() as database:
        ring = database.keys
        found = key_rotation.count_by_key(database)
        ids = list(dict.fromkeys([*ring.ids, *(key for counts in found.values() for key in counts)]))
        say(f"Keys in {ring.source}:")
        for key in ids:
            say(f"  {key}  {_role(key, ring.ids)}")
        rows = [(place, *(counts.get(key, 0) for key in ids)) for place, counts in found.items()]
        table(None, ["values", *ids], rows, right=ids)


def _role(key: str, known: Sequence[str]) -> str:
    if key == key_rotation.UNENCRYPTED:
        return "not encrypted: run `aed keys rotate`"
    if key not in known:
        return "MISSING: data encrypted with it cannot be read"
    return "encrypts and decrypts" if key == known[0] else "decrypts"


@keys.command("rotate")
def rotate() -> None:
    """Re-encrypt everything with the first key, while the server runs. May be interrupted and run again."""
    with cli_database() as database:
        if database.keys.source != key_files.SETTING:
            time.sleep(2 * key_files.FOLLOWED_AFTER_SECONDS)  # by then every process uses the first key
        with counting("encrypting again, values") as progress:
            done = key_rotation.rotate(database, progress=progress)
        ring = database.keys
        left = {
            key: count
            for counts in done.counts_by_key.values()
            for key, count in counts.items()
            if key != ring.ids[0]
        }
        say(f"Encrypted again with {ring.ids[0]}: {plural(done.reencrypted, 'value')}.")
        if left:
            say(
                f"{sum(left.values())} values are still encrypted with another key, because they "
                "changed meanwhile. Run `aed keys rotate` again."
            )
        elif len(ring.ids) > 1:
            others = ", ".join(ring.ids[1:])
            say(f"{others} can be removed from the database's keys. Keep it for backups made before today.")
