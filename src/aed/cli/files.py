"""Write files atomically."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aed.cli.language import either
from aed.errors import InvalidInput


@contextmanager
def whole(to: Path) -> Iterator[Path]:
    """Yield a temporary file beside `to` that replaces it at the end; on failure, `to` is unchanged.

    Raises InvalidInput if `to` cannot be written.
    """
    unfinished = to.with_name(f".{to.name}.unfinished")
    try:
        yield unfinished
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        unfinished.replace(to)
    except OSError as error:
        raise InvalidInput(
            either(f"{to} cannot be written: {error.strerror}.", f"{to} 无法写入：{error.strerror}。"),
            field="to",
        ) from None
    finally:
        unfinished.unlink(missing_ok=True)


def write_whole(to: Path, content: bytes | Iterable[bytes]) -> None:
    """Write the content to `to` atomically. Raises the errors of `whole`."""
    with whole(to) as unfinished, unfinished.open("wb") as file:
        for piece in (content,) if isinstance(content, bytes) else content:
            file.write(piece)
