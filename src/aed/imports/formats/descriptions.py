"""Read the values that map services write into the description of a point."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

from aed.imports.formats.files import MAX_CELL_LENGTH
from aed.imports.formats.values import without_tags

COLUMNS: Final = ("Name", "Description", "Address", "Longitude", "Latitude")
"""The columns of a point itself, which its description cannot replace."""

_LABELLED: Final = re.compile(r"(?![0-9]|https?:)([^:：]{1,30})[:：](?!//)\s*(.*)")
MIN_LABELLED: Final = 2


def described_values(description: str) -> tuple[dict[str, str], str]:
    """Return the values that a description has as a table or as lines such as `Hours: 24/7`, and the rest.

    Map services write the columns of a point into its description: a table of HTML with a name and a value in
    each row, or a line for each.
    """
    table = _DescriptionTable()
    table.feed(description[:MAX_CELL_LENGTH])
    table.close()
    if len(table.values) >= MIN_LABELLED:
        return table.values, without_tags("".join(table.rest))
    lines = without_tags(description).split("\n")
    labelled = {
        found[1].strip()[:200]: found[2].strip() for line in lines if (found := _LABELLED.fullmatch(line))
    }
    if len(labelled) < MIN_LABELLED or len(labelled) < len(lines) / 2:
        return {}, "\n".join(lines)
    rest = [line for line in lines if not _LABELLED.fullmatch(line)]
    return {name: text for name, text in labelled.items() if text}, "\n".join(rest)


class _DescriptionTable(HTMLParser):
    """Collects the rows with two cells of the innermost tables, and the text outside of tables."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.values: dict[str, str] = {}
        self.rest: list[str] = []
        self._row: list[str] | None = None
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._depth += 1
        elif tag == "tr":
            self._row = []
        elif tag in ("td", "th") and self._row is not None:
            self._row.append("")
        elif tag in ("br", "p", "div", "li"):
            self._add("\n")

    def handle_data(self, data: str) -> None:
        self._add(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._depth = max(0, self._depth - 1)
        elif tag == "tr" and self._row is not None:
            cells = [" ".join(cell.split()) for cell in self._row]
            if len(cells) == 2 and cells[0] and cells[1] and cells[0] not in COLUMNS:
                self.values.setdefault(cells[0].strip(":：")[:200], cells[1][:MAX_CELL_LENGTH])
            self._row = None

    def _add(self, text: str) -> None:
        if self._row:
            self._row[-1] += text
        elif self._depth == 0:
            self.rest.append(text)
