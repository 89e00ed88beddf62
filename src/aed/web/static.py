"""Stylesheets, scripts and vendored libraries: addresses with a content hash, and integrity attributes.

The address of a file is `/static/HASH/NAME`. HASH covers all files of its bundle, since modules import each
other by relative addresses: own files are one bundle, each vendored library is one. So a file never changes
at its address, and browsers keep it for a year.
"""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256, sha384
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Final

from markupsafe import Markup

PREFIX: Final = "/static"
CACHING: Final = "public, max-age=31536000, immutable"
MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".txt": "text/plain; charset=utf-8",
}
_COMPRESSED: Final = frozenset({".css", ".js", ".mjs", ".svg", ".json", ".webmanifest", ".txt"})
_IMPORT: Final = re.compile(rb"""(?m)^\s*(?:import|export)\b[^"';]*["'](\.{1,2}/[^"']+)["']""")


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as it is served."""

    name: str
    """Relative to `static/`, or `vendor/LIBRARY/…`."""
    content: bytes
    media_type: str
    integrity: str


@cache
def files() -> dict[str, StaticFile]:
    """Return all static files by name. They are a few, and stay in memory."""
    package = resources.files("aed.web")
    found = {name: _file(name, each) for name, each in _below(package.joinpath("static"), "")}
    found |= {name: _file(name, each) for name, each in _below(package.joinpath("vendor"), "vendor/")}
    return found


def _below(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for each in sorted(folder.iterdir(), key=lambda file: file.name):
        if each.is_dir():
            yield from _below(each, f"{prefix}{each.name}/")
        elif PurePosixPath(each.name).suffix in MEDIA_TYPES:
            yield prefix + each.name, each


def _file(name: str, source: Traversable) -> StaticFile:
    content = source.read_bytes()
    integrity = "sha384-" + base64.b64encode(sha384(content).digest()).decode()
    return StaticFile(name, content, MEDIA_TYPES[PurePosixPath(name).suffix], integrity)


@cache
def compressed(name: str) -> bytes | None:
    """Return a file compressed with gzip; None for formats that are compressed already."""
    file = files()[name]
    return gzip.compress(file.content, 9, mtime=0) if PurePosixPath(name).suffix in _COMPRESSED else None


def bundle_of(name: str) -> str:
    """Return the bundle of a file: `vendor/LIBRARY` or `` (own files)."""
    parts = name.split("/")
    return "/".join(parts[:2]) if parts[0] == "vendor" else ""


@cache
def version_of(bundle: str) -> str:
    """Return the hash of all files of a bundle."""
    digest = sha256()
    for name, file in files().items():
        if bundle_of(name) == bundle:
            digest.update(f"{name} {file.integrity}\n".encode())
    return digest.hexdigest()[:16]


def address(name: str) -> str:
    """Return the address of a file, such as `/static/1f0c…/js/find_help.js`. Raises KeyError."""
    return f"{PREFIX}/{version_of(bundle_of(files()[name].name))}/{name}"


def stylesheet(name: str) -> Markup:
    """Return the link element of a stylesheet."""
    return Markup('<link rel="stylesheet" href="{}" integrity="{}">').format(
        address(name), files()[name].integrity
    )


def script(name: str) -> Markup:
    """Return the script element of a module, and preloads of the modules that it imports.

    The integrity of an imported module is checked by its preload.
    """
    preload = '<link rel="modulepreload" href="{}" integrity="{}">'
    tags = [Markup(preload).format(address(each), files()[each].integrity) for each in imports_of(name)]
    module = '<script type="module" src="{}" integrity="{}"></script>'
    return Markup("\n").join([*tags, Markup(module).format(address(name), files()[name].integrity)])


@cache
def imports_of(name: str) -> tuple[str, ...]:
    """Return the own modules that a module imports, directly or not. Raises KeyError if one is missing."""
    found: dict[str, None] = {}
    waiting = [name]
    while waiting:
        current = waiting.pop()
        for match in _IMPORT.finditer(files()[current].content):
            imported = _resolved_path(current, match[1].decode())
            if imported not in found and imported != name:
                files()[imported]
                found[imported] = None
                waiting.append(imported)
    return tuple(found)


def _resolved_path(importer: str, relative: str) -> str:
    parts = importer.split("/")[:-1]
    for part in relative.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
