"""Stream objects from JSON files: the items of a list in a document, or a sequence of documents.

The parser builds one object at a time, but its memory grows with nesting depth and object size. The bytes are
therefore checked before they reach the parser.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import ijson

from aed.errors import InvalidInput
from aed.imports.formats.files import encoding_of, head_of, opened

MAX_OBJECT_BYTES: Final = 8_000_000
"""Maximum size of one object, and of the gap between two; large because boundaries may be long."""
DEEPEST: Final = 64
MAX_BYTES_FOR_EXACT_ERROR: Final = 20_000_000

_EVENTS_LOOKED_AT: Final = 20_000
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ODD_NUMBERS: Final = re.compile(rb"NaN|Infinity|[0-9][eE]\+?[0-9]{3}")
_NUMBER_OR_STRING: Final = re.compile(
    rb'"(?:[^"\\]++|\\.)*+(?:"|\Z)|-?Infinity|NaN|-?[0-9]+(?:\.[0-9]+)?[eE]\+?[0-9]{3,}', re.DOTALL
)
_HALF_CHARACTER: Final = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
"""Matches an escaped backslash, a surrogate pair, or (in group 1) a lone surrogate, which is invalid."""
_MAX_NUMBER_LENGTH: Final = 450
_BEGUN: Final = re.compile(rb"(?:[-+0-9.eEINfinityNa]+|(?:\\+[^\\\"]{0,6}){1,4})\Z")
"""Matches a number or escape sequence at the end of a chunk that may continue in the next one."""
_RECORD_SEPARATOR: Final = b"\x1e"
"""Separates the documents of a GeoJSON text sequence (RFC 8142)."""


CRS: Final = ("crs.properties.name", "crs.properties.code")
"""Paths of the coordinate reference system in GeoJSON files that predate RFC 7946 (2016)."""


@dataclass(frozen=True, slots=True)
class JsonShape:
    """The structure of a JSON file. `prefix` is the ijson path of its objects."""

    prefix: str
    members: dict[str, object] = field(default_factory=dict)
    """Scalar members of the first document that precede the objects, and the members in `CRS`."""
    names: frozenset[str] = frozenset()
    """The names of all members of the first document that were read."""


def is_json(head: bytes, path: Path) -> bool:
    """Return whether the file is JSON, judging by its first character or its suffix (.json, .geojson)."""
    beginning = head.removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n\x1e")[:1]
    return beginning in (b"{", b"[") or path.suffix.lower() in (".json", ".geojson")


def shape_of(path: Path) -> JsonShape:
    """Find the objects of a file: in `features` or `elements`, else the first list of objects, else the
    documents."""
    encoding_of(path)
    members: dict[str, object] = {}
    names: set[str] = set()
    first_list: str | None = None
    last = ("", "", None)
    with opened(path) as stream:
        bytes_in = _Checked(stream, path)
        try:
            for count, event in enumerate(ijson.parse(bytes_in, use_float=True, multiple_values=True)):
                prefix, kind, value = event
                if kind == "start_array" and prefix in ("features", "elements"):
                    return JsonShape(f"{prefix}.item", members, frozenset(names | {prefix}))
                if kind == "map_key" and prefix == "":
                    names.add(value)
                elif (prefix in CRS or "." not in prefix) and kind in ("string", "number", "boolean", "null"):
                    members[prefix] = value
                if kind == "start_map" and last[1] == "start_array" and first_list is None:
                    first_list = prefix
                if kind == "end_map" and prefix == "":
                    break
                if count > _EVENTS_LOOKED_AT:
                    break
                bytes_in.since = 0
                last = event
        except ijson.JSONError as error:
            raise _not_json(path, bytes_in, error) from None
    return JsonShape(first_list or "", members, frozenset(names))


def objects(path: Path, prefix: str) -> Iterator[object]:
    """Yield the objects at `prefix` of every document.

    Raises InvalidInput if the file is not JSON, is truncated or nested too deeply, or has an object that is
    too large.
    """
    with opened(path) as stream:
        bytes_in = _Checked(stream, path)
        try:
            for found in ijson.items(bytes_in, prefix, use_float=True, multiple_values=True):
                bytes_in.since = 0
                yield found
        except ijson.JSONError as error:
            raise _not_json(path, bytes_in, error) from None
        except ValueError:
            raise InvalidInput(
                "{name} contains a number with thousands of digits.", field="file", name=path.name
            ) from None


def first_value(path: Path, member: str) -> object:
    """Return the value of a top-level member of any document, or None; scans the whole file."""
    with opened(path) as stream:
        bytes_in = _Checked(stream, path, longest=math.inf)
        try:
            for found in ijson.items(bytes_in, member, use_float=True, multiple_values=True):
                if found is not None:
                    return found
        except ijson.JSONError as error:
            raise _not_json(path, bytes_in, error) from None
    return None


class _Checked:
    """A byte stream for the JSON parser that enforces limits.

    Raises InvalidInput before the parser receives input that is nested too deeply, or has too much data in
    one object or between two.
    """

    def __init__(self, stream: BinaryIO, path: Path, *, longest: float = MAX_OBJECT_BYTES) -> None:
        self._stream = stream
        self._path = path
        self._longest = longest
        self._held_back = b""
        self._open_string = b""
        """A short equivalent of the unfinished string at the end of the last chunk."""
        self._characters_of_string = 0
        self._depth = 0
        self._is_first = True
        self.lines = 1
        self.since = 0
        """Bytes read since the last object; the consumer resets it to 0."""

    def read(self, size: int) -> bytes:
        chunk = self._held_back + self._stream.read(size)
        self._held_back = b""
        if size <= 0:
            return b""
        if self._is_first:
            self._is_first = False
            chunk = chunk.removeprefix(codecs.BOM_UTF8)
        if len(chunk) >= size and (begun := _BEGUN.search(chunk[-_MAX_NUMBER_LENGTH:])):
            rest = max(len(chunk) - _MAX_NUMBER_LENGTH, 0) + begun.start()
            if rest > 0:
                self._held_back, chunk = chunk[rest:], chunk[:rest]
        self.since += len(chunk)
        if self.since > self._longest + len(chunk) or self._characters_of_string > MAX_OBJECT_BYTES:
            raise InvalidInput(
                "{name} has more than {max_object_bytes} MB in one object (near line "
                "{lines:,}) or between two objects. It is not a list of devices.",
                field="file",
                name=self._path.name,
                max_object_bytes=MAX_OBJECT_BYTES // 1000000,
                lines=self.lines,
            )
        chunk = self._without_odd_numbers(chunk)
        if b"\\ud" in chunk or b"\\uD" in chunk:
            chunk = _HALF_CHARACTER.sub(lambda found: b"\\u0020" if found[1] else found[0], chunk)
        self._look_at(chunk)
        self.lines += chunk.count(b"\n")
        return chunk.replace(_RECORD_SEPARATOR, b" ")

    def _without_odd_numbers(self, chunk: bytes) -> bytes:
        """Replace NaN, infinities and numbers with huge exponents, which some programs write, with null."""
        if _ODD_NUMBERS.search(chunk) is None:
            return chunk
        begun = self._open_string
        whole = _NUMBER_OR_STRING.sub(
            lambda found: found[0] if found[0].startswith(b'"') else b"null", begun + chunk
        )
        return whole[len(begun) :]

    def _look_at(self, chunk: bytes) -> None:
        outside = _STRING.sub(b"", self._open_string + chunk)
        begun = outside.find(b'"')
        self._open_string = b""
        if begun >= 0:
            # Of the unfinished string, only whether its last character is an escape matters.
            so_far = outside[begun:]
            escaped = (len(so_far) - len(so_far.rstrip(b"\\"))) % 2
            self._open_string = b'"\\' if escaped else b'"'
            self._characters_of_string += len(so_far)
            outside = outside[:begun]
        else:
            self._characters_of_string = 0
        brackets = outside.translate(None, _NO_BRACKETS)
        for _ in range(DEEPEST + 1):
            fewer = brackets.replace(b"[]", b"").replace(b"{}", b"")
            if fewer == brackets:
                break
            brackets = fewer
        closing = len(brackets) - len(brackets.lstrip(b"]}"))
        opening = len(brackets) - closing
        self._depth = max(self._depth - closing, 0)
        if self._depth + opening > DEEPEST:
            raise InvalidInput("{name} is nested too deeply.", field="file", name=self._path.name)
        self._depth += opening


def _not_json(path: Path, bytes_in: _Checked, error: Exception) -> InvalidInput:
    message = str(error.args[0] if error.args else error)
    where, reason = f"near line {bytes_in.lines:,}", message.splitlines()[0][:100]
    head_of(path)
    if path.stat().st_size <= MAX_BYTES_FOR_EXACT_ERROR:
        try:
            json.loads(path.read_bytes().removeprefix(codecs.BOM_UTF8))
        except json.JSONDecodeError as exact:
            if exact.msg != "Extra data":  # a sequence of documents is allowed
                where, reason = f"line {exact.lineno}", exact.msg
        except RecursionError:
            pass
        except ValueError:
            return InvalidInput(
                "{name} contains a number with thousands of digits.", field="file", name=path.name
            )
    if "overflow" in message:
        return InvalidInput(
            "{name} contains a number that is too large ({where}).", field="file", name=path.name, where=where
        )
    return InvalidInput(
        "{name} is not JSON, or is truncated ({where}): {reason}.",
        field="file",
        name=path.name,
        where=where,
        reason=reason,
    )


def json_object(value: object) -> dict[str, Any]:
    """Return the value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}
