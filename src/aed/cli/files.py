"""Files that a command writes: there once they are whole."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aed.cli.language import either
from aed.errors import InvalidInput


@contextmanager
def whole(to: Path) -> Iterator[Path]:
    """A file beside `to`, to be written to, that takes its place once all went well; what breaks off leaves
    what was there before. Raises InvalidInput for a place that cannot be written to."""
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
    """The content is at `to`. Raises what `whole` raises."""
    with whole(to) as unfinished, unfinished.open("wb") as file:
        for piece in (content,) if isinstance(content, bytes) else content:
            file.write(piece)
