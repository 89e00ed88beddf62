"""Commands: `aed keys`, the keys of encrypted columns."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Annotated

import typer

from aed.cli.context import opened
from aed.cli.screen import counting, say, table
from aed.database.encryption import keys as key_files
from aed.database.encryption.keyring import EncryptionKey, generate_key
from aed.errors import InvalidInput
from aed.personal_data import key_rotation
from aed.settings import load_settings

keys = typer.Typer(no_args_is_help=True)


@keys.command("new")
def new(
    first: Annotated[
        bool, typer.Option("--first", help="Put it first into the key file, which a running server follows")
    ] = False,
) -> None:
    """Create a key: print it without storing it, or with --first, add it to the key file."""
    made = generate_key()
    if not first:
        print(made)  # noqa: T201 - alone on standard output, for pipes
        sys.stderr.write(
            f"Key {EncryptionKey.of(made).id}. Keep it where the database and its backups "
            "are not: without it nobody reads the numbers.\nTo begin: AED_ENCRYPTION_KEYS=KEY. "
            "To change keys: put it last, restart "
            "every process, then put it first, restart, `aed keys rotate`, and take the old one out.\n"
        )
        return
    settings = load_settings()
    file = key_files.key_file_path(settings)
    if settings.encryption_keys is not None and settings.encryption_keys.get_secret_value().strip():
        raise InvalidInput(
            "The keys are in AED_ENCRYPTION_KEYS, not in a file: make one without --first and put it there.",
            field="first",
        )
    if file is None:
        raise InvalidInput("There is no key file: name one in AED_ENCRYPTION_KEY_FILE.", field="first")
    found = key_files.prepend_key(file, made)
    rest = "; then `aed keys rotate`" if len(found) > 1 else ""
    say(f"Key {found[0].id} is the first of {len(found)} in {file}{rest}.")


@keys.command("show")
def show() -> None:
    """List the keys, and how much is encrypted with each."""
    with opened() as database:
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
        return "not sealed: `aed keys rotate`"
    if key not in known:
        return "MISSING: what is sealed with it cannot be read"
    return "seals, and opens" if key == known[0] else "opens"


@keys.command("rotate")
def rotate() -> None:
    """Re-encrypt everything with the first key, while the server runs. May be interrupted and run again."""
    with opened() as database:
        if database.keys.source != key_files.SETTING:
            time.sleep(2 * key_files.FOLLOWED_AFTER_SECONDS)  # by then every process uses the first key
        with counting("sealing anew, values") as progress:
            done = key_rotation.rotate(database, progress=progress)
        ring = database.keys
        left = {
            key: count
            for counts in done.counts_by_key.values()
            for key, count in counts.items()
            if key != ring.ids[0]
        }
        say(f"Sealed anew with {ring.ids[0]}: {done.reencrypted}.")
        if left:
            say(f"Still with another key: {sum(left.values())}, changed meanwhile. Run it again.")
        elif len(ring.ids) > 1:
            others = ", ".join(ring.ids[1:])
            say(f"Nothing needs {others} any more; backups from before today do: keep it with them.")
