"""Catalogues of the pages' strings: extract, update and compile. `make words` runs this file.

Each folder of `aed/web` with strings has a catalogue of its own name; what is at the root of `aed/web` and
in `templates/` is in `web`, and is not repeated in the others.
"""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

import aed.web
from aed import translation
from aed.web.language import SOURCE, languages
from tests import error_catalogue

WEB: Final = Path(aed.web.__file__).parent
LOCALE: Final = WEB / "locale"
SHARED: Final = "web"
_KEYWORDS: Final[dict[str, Any]] = {
    "_": None,
    "gettext": None,
    "noop": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pnoop": ((1, "c"), 2),
}
_METHODS: Final = {".py": ("python", {}), ".jinja": ("jinja2", {"trimmed": "true", "silent": "false"})}


def extracted() -> dict[str, Catalog]:
    """Return the strings of the source by the name of their catalogue."""
    found: dict[str, Catalog] = {}
    for path in sorted(WEB.rglob("*")):
        if path.suffix not in _METHODS:
            continue
        folder = path.relative_to(WEB).parts[0]
        name = SHARED if path.parent == WEB or folder == "templates" else folder
        method, options = _METHODS[path.suffix]
        messages = extract_from_file(
            method,
            path,
            keywords=_KEYWORDS,
            comment_tags=["Translators:"],
            options=options,
            strip_comment_tags=True,
        )
        for _line, message, comments, context in messages:
            found.setdefault(name, _empty()).add(message, auto_comments=comments, context=context)
    shared = found[SHARED]
    for name, catalogue in found.items():
        if name != SHARED:
            for each in [each for each in catalogue if each.id and shared.get(each.id, each.context)]:
                catalogue.delete(each.id, each.context)
    return found


def updated(name: str, language: str, source: Catalog) -> Catalog:
    """Return the catalogue of a language with the strings of the source; new ones are untranslated."""
    return merged(po_path(name, language), language, source)


def merged(path: Path, language: str, source: Catalog) -> Catalog:
    """Return the strings of the source with the translations of the file at `path`."""
    catalogue = _empty(language)
    known = read(path) if path.exists() else _empty(language)
    for message in source:
        if message.id:
            same = known.get(message.id, context=message.context)
            catalogue.add(
                message.id,
                same.string if same is not None else None,
                flags=(same.flags if same is not None else set()) | message.flags,
                auto_comments=message.auto_comments,
                context=message.context,
            )
    return catalogue


def po_path(name: str, language: str) -> Path:
    return LOCALE / language.replace("-", "_") / "LC_MESSAGES" / f"{name}.po"


def translated() -> list[str]:
    """Return the languages that have catalogues."""
    return [each for each in languages() if each != SOURCE]


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.parent.name)


def as_po(catalogue: Catalog, language: str) -> bytes:
    """Return a catalogue as a .po file without dates, so that the same strings are the same bytes."""
    into = io.BytesIO()
    write_po(into, catalogue, no_location=True, omit_header=True, sort_output=True, width=110)
    header = (
        'msgid ""\nmsgstr ""\n'
        f'"Language: {language.replace("-", "_")}\\n"\n'
        f'"Plural-Forms: {catalogue.plural_forms}\\n"\n'
        '"Content-Type: text/plain; charset=utf-8\\n"\n\n'
    )
    return header.encode() + into.getvalue().lstrip()


def as_mo(po: bytes, language: str) -> bytes:
    """Return the compiled form of a .po file, without the date of today."""
    into = io.BytesIO()
    catalogue = read_po(io.BytesIO(po), locale=language.replace("-", "_"))
    catalogue.creation_date = catalogue.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    write_mo(into, catalogue)
    return into.getvalue()


def _empty(language: str | None = None) -> Catalog:
    return Catalog(locale=language.replace("-", "_") if language else None)


def _write(path: Path, language: str, catalogue: Catalog) -> int:
    """Write a catalogue and its compiled form; print and count what is not translated."""
    path.write_bytes(as_po(catalogue, language))
    path.with_suffix(".mo").write_bytes(as_mo(path.read_bytes(), language))
    untranslated = [message.id for message in catalogue if message.id and not message.string]
    for each in untranslated:
        sys.stdout.write(f"{path}: not translated: {each!r}\n")
    return len(untranslated)


def main() -> int:
    """Update and compile all catalogues; print what is not translated."""
    untranslated = 0
    source = extracted()
    for language in translated():
        folder = LOCALE / language.replace("-", "_") / "LC_MESSAGES"
        folder.mkdir(parents=True, exist_ok=True)
        for name, strings in source.items():
            untranslated += _write(po_path(name, language), language, updated(name, language, strings))
        for path in folder.iterdir():
            if path.stem not in source:
                path.unlink()
    for language in translation.languages()[1:]:
        path = error_catalogue.po_path(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        untranslated += _write(path, language, merged(path, language, error_catalogue.extracted()))
    sys.stdout.write(f"{untranslated} strings are not translated.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
