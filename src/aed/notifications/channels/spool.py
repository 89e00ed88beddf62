"""A folder that another program empties: one JSON line for each message, in a file for each day."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import orjson

from aed.notifications.actions import Letter


def deliver(letter: Letter, folder: Path, *, at: datetime) -> None:
    """The line is in the file, on disc. Only the owner may read it: it holds numbers and codes.

    The id tells a line that was written twice. Raises OSError when it cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = orjson.dumps(
        {
            "id": letter.id,
            "at": at,
            "channel": letter.channel,
            "to": letter.recipient,
            "language": letter.language,
            "text": letter.text,
        }
    )
    path = folder / f"{at:%Y-%m-%d}.jsonl"
    opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(opened, line + b"\n")
        os.fsync(opened)
    finally:
        os.close(opened)
