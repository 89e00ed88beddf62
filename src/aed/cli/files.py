"""Files that a command writes: there once they are whole."""

from __future__ import annotations

import os
from pathlib import Path

from aed.errors import InvalidInput


def write_whole(out: Path, content: bytes) -> None:
    """The content is at `out`. Raises InvalidInput for a place that cannot be written to."""
    unfinished = out.with_name(f".{out.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(out)
    except OSError as error:
        raise InvalidInput(f"{out} cannot be written: {error.strerror}.", field="out") from None
    finally:
        unfinished.unlink(missing_ok=True)
