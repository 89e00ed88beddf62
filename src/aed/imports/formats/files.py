"""Open a file of unknown kind (size, type, encoding) and read CSV rows, in bounded memory."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from aed.errors import InvalidInput

MAX_BYTES: Final = 1_000_000_000
HEAD_BYTES: Final = 65_536
"""Number of bytes at the start of a file that are used to detect its format."""
BYTES_AT_ONCE: Final = 1 << 18

UTF_8: Final = "utf-8-sig"

OTHER_FILES: Final = {
    b"PK\x03\x04": "an Excel workbook or a zip archive: save the sheet as 'CSV UTF-8', or unpack it",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook, or one with a password: save it as an Excel workbook (.xlsx)"
    " without one, or as 'CSV UTF-8'",
    b"\x1f\x8b": "compressed with gzip: unpack it first",
    b"%PDF": "a PDF document",
    b"SQLite format 3": "an SQLite database",
    b"\xff\xfe\x00\x00": "UTF-32: save it as 'CSV UTF-8'",
    b"\xff\xfe": "UTF-16 ('Unicode text'): save it as 'CSV UTF-8'",
    b"\xfe\xff": "UTF-16 ('Unicode text'): save it as 'CSV UTF-8'",
}
"""The first bytes of unsupported file types, and advice on what to do with them."""


def head_of(path: Path) -> bytes:
    """Return the first bytes of a file.

    Raises InvalidInput if it is missing, a directory, empty or over the size limit.
    """
    try:
        if path.is_dir():
            raise InvalidInput("{path} is a folder: name a file in it.", field="file", path=path)
        if not path.is_file():
            raise InvalidInput("There is no file {path}.", field="file", path=path)
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InvalidInput(
                "{name} is larger than {max_bytes} MB.",
                field="file",
                name=path.name,
                max_bytes=MAX_BYTES // 1000000,
            )
        with path.open("rb") as opened:
            head = opened.read(HEAD_BYTES)
            if not head.removeprefix(codecs.BOM_UTF8).strip() and not opened.read(HEAD_BYTES).strip():
                raise InvalidInput("{name} is empty.", field="file", name=path.name)
    except OSError as error:
        raise InvalidInput(
            "{name} cannot be read: {strerror}.", field="file", name=path.name, strerror=error.strerror
        ) from None
    except ValueError:  # the name contains a NUL
        raise InvalidInput("This is not a file name.", field="file") from None
    return head


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading bytes. Raises InvalidInput if it cannot be read."""
    try:
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        raise InvalidInput(
            "{name} cannot be read: {strerror}.", field="file", name=path.name, strerror=error.strerror
        ) from None


UTF_16: Final = "utf-16"


def is_utf_16(head: bytes) -> bool:
    """Return whether a file begins with the mark of UTF-16, as Excel's 'Unicode text' does."""
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return head.startswith(marks) and not head.startswith(codecs.BOM_UTF32_LE)


def require_supported_file(path: Path, head: bytes, *, may_be_utf_16: bool = False) -> None:
    """Raise InvalidInput for a binary file, a web page or XML, with advice on what to do."""
    if may_be_utf_16 and is_utf_16(head):
        return
    for beginning, what in OTHER_FILES.items():
        if head.startswith(beginning):
            raise InvalidInput("{name} is {what}.", field="file", name=path.name, what=what)
    beginning = head.removeprefix(codecs.BOM_UTF8).lstrip()[:1024].lower()
    if beginning.startswith((b"<!doc", b"<html")) or (beginning[:1] == b"<" and b"<html" in beginning):
        raise InvalidInput(
            "{name} is a web page, probably an error page saved instead of the data. Download it again.",
            field="file",
            name=path.name,
        )
    if beginning.startswith((b"<?xml", b"<osm", b"<gpx", b"<kml")):
        raise InvalidInput(
            "{name} is XML, which is not supported. Get the list as CSV or JSON.",
            field="file",
            name=path.name,
        )


def encoding_of(path: Path, encodings: Sequence[str] = (UTF_8,)) -> str:
    """Return the first encoding in which the whole file can be decoded.

    Raises InvalidInput if there is none, with the line of the first error and a likely explanation, or if the
    file contains a NUL character.
    """
    require_supported_file(path, head_of(path), may_be_utf_16=UTF_16 in encodings)
    first_bad: tuple[int, bytes] | None = None
    for encoding in encodings:
        bad = _first_undecodable(path, encoding)
        if bad is None:
            return encoding
        first_bad = first_bad or bad
    assert first_bad is not None
    line, around = first_bad
    if list(encodings) != [UTF_8]:
        tried = ", ".join(name.removesuffix("-sig").upper() for name in encodings)
        raise InvalidInput(
            "{name} is not text in the encodings of its format ({tried}; line {line} of it "
            "as {removesuffix}). Save it as 'CSV UTF-8'.",
            field="file",
            name=path.name,
            tried=tried,
            line=line,
            removesuffix=encodings[0].removesuffix("-sig").upper(),
        )
    raise InvalidInput(
        "{name} is not UTF-8 (line {line}){hint}", field="file", name=path.name, line=line, hint=_hint(around)
    )


GB18030: Final = "gb18030"
"""A superset of CP936 (GBK) and GB2312."""
_COMMON_SHARE: Final = 0.6
"""Minimum share of characters from GB2312, which covers nearly all Chinese text.

Accented Latin text decoded as Chinese falls below this share.
"""


def encoding_or_chinese(path: Path) -> str:
    """Return UTF-8, or else GB18030 if the whole file decodes to plausible Chinese.

    Raises InvalidInput as `encoding_of` does.
    """
    require_supported_file(path, head_of(path))
    bad = _first_undecodable(path, UTF_8)
    if bad is None:
        return UTF_8
    line, around = bad
    if _first_undecodable(path, GB18030) is None and reads_like_chinese(around):
        return GB18030
    raise InvalidInput(
        "{name} is neither UTF-8 (line {line}) nor GB18030, the encoding of Chinese "
        "Windows. Save it as 'CSV UTF-8'.",
        field="file",
        name=path.name,
        line=line,
    )


EASTERN: Final = (GB18030, "cp932", "cp949", "big5hkscs")
"""The encodings of Chinese, Japanese, Korean and Taiwanese Windows."""


def likely_encodings(path: Path, encodings: Sequence[str] = ()) -> list[str]:
    """Return UTF-8, or UTF-16 if the file says so, or else the fitting encodings of Windows.

    Bytes of one eastern encoding are often valid in another; only the headings show which is meant.
    `encodings` are those of the file's format, if it is known: the first that fits is returned. Raises
    InvalidInput if the file is binary.
    """
    head = head_of(path)
    require_supported_file(path, head, may_be_utf_16=True)
    if is_utf_16(head) and _first_undecodable(path, UTF_16) is None:
        return [UTF_16]
    bad = _first_undecodable(path, UTF_8)
    if bad is None:
        return [UTF_8]
    named = next((each for each in encodings if _first_undecodable(path, each) is None), None)
    if named is not None:
        return [named]
    fitting = [each for each in EASTERN if _first_undecodable(path, each) is None]
    if GB18030 in fitting and reads_like_chinese(bad[1]):
        return fitting
    first = encoding_of(path, (UTF_8, "cp1252", *fitting))
    return list(dict.fromkeys((first, *fitting)))


def reads_like_chinese(around: bytes) -> bool:
    """Return whether bytes beyond ASCII, read as GB18030, are mostly common Chinese characters."""
    beyond = [each for each in around.decode(GB18030, "replace") if not each.isascii()]
    common = sum(len(each.encode("gb2312", "ignore")) == 2 for each in beyond)
    return bool(beyond) and common >= _COMMON_SHARE * len(beyond)


def _first_undecodable(path: Path, encoding: str) -> tuple[int, bytes] | None:
    """Return the line of the first byte that cannot be decoded, with the bytes around it; None if all can
    be."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    lines = 1
    kept = b""
    with opened(path) as stream:
        while True:
            chunk = stream.read(BYTES_AT_ONCE)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                line = lines + error.object.count(b"\n", 0, error.start)
                return line, kept[-HEAD_BYTES:] + error.object[: error.start + HEAD_BYTES]
            if "\0" in text:
                line = lines + text.count("\n", 0, text.index("\0"))
                raise InvalidInput(
                    "{name} contains a NUL character (line {line}). It is not a text file, or it is damaged.",
                    field="file",
                    name=path.name,
                    line=line,
                )
            if not chunk:
                return None
            lines += chunk.count(b"\n")
            kept = chunk


def _hint(around: bytes) -> str:
    text = around.decode("gb18030", "replace")
    odd = sum(character == "\ufffd" or "\ue000" <= character <= "\uf8ff" for character in text)
    if odd <= 2 and any("\u4e00" <= character <= "\u9fff" for character in text):
        return (
            " but looks like GBK, the encoding of Chinese Windows. Save it as 'CSV UTF-8', "
            "or run iconv -f GB18030 -t UTF-8."
        )
    return ". Save it as 'CSV UTF-8'."


def head_text(head: bytes, encoding: str) -> str | None:
    """Decode the start of a file, ignoring a character cut off at its end; None if it cannot be decoded."""
    try:
        return codecs.getincrementaldecoder(encoding)("strict").decode(head, final=False)
    except UnicodeDecodeError:
        return None


MAX_ROW_LENGTH: Final = 1_000_000
"""Maximum number of characters in a row, including line breaks within cells."""
MAX_CELL_LENGTH: Final = 100_000
MAX_COLUMNS: Final = 1_000


class FileLine(NamedTuple):
    number: int
    """The line on which the row begins, or its row number in a sheet."""
    cells: list[str]
    wrong: str | None = None
    """Why the row cannot be read reliably."""


def csv_rows(path: Path, *, encoding: str, delimiter: str = ",", strict: bool = True) -> Generator[FileLine]:
    """Yield the rows that are not blank.

    Raises InvalidInput for an unclosed quotation mark, which would swallow the rest of the file, and for
    rows, cells or numbers of columns that are too large for a list.
    """
    with opened(path) as stream, io.TextIOWrapper(stream, encoding=encoding, newline="") as text:
        lines = _Lines(text, path.name)
        reader = csv.reader(lines, delimiter=delimiter, strict=strict)
        begins = 1
        try:
            for cells in reader:
                number, begins = begins, reader.line_num + 1
                lines.row_ends()
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) > MAX_COLUMNS:
                    raise InvalidInput(
                        "{name}: line {number} has {count:,} cells; at most {max_columns:,} are "
                        "allowed. Is this the right list?",
                        field="file",
                        name=path.name,
                        number=number,
                        count=len(cells),
                        max_columns=MAX_COLUMNS,
                    )
                if max(map(len, cells)) > MAX_CELL_LENGTH:
                    raise _cell_too_long(path.name, number)
                yield FileLine(number, cells)
        except csv.Error as error:
            if "field larger" in str(error):
                raise _cell_too_long(path.name, begins) from None
            raise InvalidInput(
                "{name}: the row that begins in line {begins} is not CSV ({error}). "
                "A quotation mark may not be closed; inside a cell it is written "
                "twice.",
                field="file",
                name=path.name,
                begins=begins,
                error=error,
            ) from None
        except UnicodeError:
            named = encoding.removesuffix("-sig").upper()
            raise InvalidInput(
                "{name} is not text in {named} after line {begins}.",
                field="file",
                name=path.name,
                named=named,
                begins=begins,
            ) from None


class _Lines:
    """The lines of a text file, with a limit on the length of a row.

    A file without line ends is thus not read to its end.
    """

    def __init__(self, text: io.TextIOWrapper, name: str) -> None:
        self._text = text
        self._name = name
        self._line = 0
        self._row_begins = 1
        self._characters = 0

    def row_ends(self) -> None:
        """Reset the row length; all lines so far belong to complete rows."""
        self._row_begins = self._line + 1
        self._characters = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_ROW_LENGTH + 1)
        if not line:
            raise StopIteration
        self._line += 1
        self._characters += len(line)
        if self._characters > MAX_ROW_LENGTH:
            raise InvalidInput(
                "{name}: the row that begins in line {row_begins} has more than "
                "{max_row_length:,} characters. It is not a table, or a quotation mark is not "
                "closed.",
                field="file",
                name=self._name,
                row_begins=self._row_begins,
                max_row_length=MAX_ROW_LENGTH,
            )
        return line


def _cell_too_long(name: str, number: int) -> InvalidInput:
    return InvalidInput(
        "{name}: the row that begins in line {number} has a cell of more than "
        "{max_cell_length:,} characters. A quotation mark may not be closed; inside a "
        "cell it is written twice.",
        field="file",
        name=name,
        number=number,
        max_cell_length=MAX_CELL_LENGTH,
    )
