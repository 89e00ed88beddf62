"""Spool messages to a folder that another program processes: a JSON line each, one file a day."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import orjson

from aed.notifications.rules import Delivery, TemporaryFailure


def deliver(letter: Delivery, folder: Path, *, at: datetime) -> None:
    """Append the message to today's file, synced to disk. Only the owner may read it: it contains codes.

    Duplicates have the same key. Raises TemporaryFailure if the file cannot be written.
    """
    line = orjson.dumps(
        {
            "id": letter.id,
            "key": letter.key,
            "at": at,
            "channel": letter.channel,
            "to": letter.recipient,
            "language": letter.language,
            **({"subject": letter.subject} if letter.subject else {}),
            "text": letter.text,
        }
    )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened = os.open(folder / f"{at:%Y-%m-%d}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(opened, line + b"\n")
            os.fsync(opened)
        finally:
            os.close(opened)
    except OSError as error:
        raise TemporaryFailure(
            f"The spool folder cannot be written: {error.strerror}.", is_channel_down=True
        ) from None
