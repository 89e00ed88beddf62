"""The shell blocks of the README and the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
_BLOCK: Final = re.compile(
    r"(?:^[ ]*<!-- not run: (?P<reason>[^\n]+?) -->\n)?^(?P<indent>[ ]*)```sh\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """The commands of one block, and the reason not to run them (None: they are run)."""

    commands: tuple[str, ...]
    reason: str | None


def pages() -> list[Path]:
    """Return every hand-written page."""
    written = (path for path in sorted((ROOT / "docs").glob("*/*.md")) if path.parent.name != "reference")
    return [
        ROOT / "README.md",
        ROOT / "README.zh-CN.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "docs/index.md",
        *written,
    ]


def name_of(page: Path) -> str:
    """Return the page's path relative to the project."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, in the order shown."""
    return [
        Block(tuple(_commands(found["text"], len(found["indent"]))), found["reason"])
        for found in _BLOCK.finditer(page.read_text(encoding="utf-8"))
    ]


def _commands(text: str, indent: int) -> Iterator[str]:
    """Yield commands: one per line, or several lines joined by backslashes."""
    lines = "\n".join(line[indent:] for line in text.splitlines())
    for line in lines.replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.strip()
