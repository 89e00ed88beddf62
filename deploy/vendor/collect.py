"""Copy the browser libraries that npm installed here to where they are served and tested from.

`make vendor` runs this after `npm ci`. Each folder gets a `vendor.json` with the version, the licence and the
SHA-384 of each file, which `tests/web/test_vendor.py` compares with the files.
"""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import dataclass
from hashlib import sha384
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent.parent
SERVED: Final = ROOT / "src/aed/web/vendor"
TESTED: Final = ROOT / "tests/browser/vendor"


@dataclass(frozen=True)
class Library:
    """A library, and the files of its npm package that are copied."""

    name: str
    files: tuple[str, ...]
    into: Path = SERVED
    licence: Path | None = None
    """The licence, where the npm package has none."""


LIBRARIES: Final = (
    Library(
        "maplibre-gl",
        (
            "dist/maplibre-gl.mjs",
            "dist/maplibre-gl-worker.mjs",
            "dist/maplibre-gl.css",
            "LICENSE.txt",
        ),
    ),
    Library("pmtiles", ("dist/pmtiles.js",), licence=HERE / "pmtiles-LICENSE.txt"),
    Library("axe-core", ("axe.min.js", "LICENSE", "LICENSE-3RD-PARTY.txt"), into=TESTED),
)


def collect() -> None:
    for folder in (SERVED, TESTED):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        libraries = [each for each in LIBRARIES if each.into == folder]
        contents = {each.name: _copied(each) for each in libraries}
        text = json.dumps(contents, indent=2, sort_keys=True) + "\n"
        (folder / "vendor.json").write_text(text, encoding="utf-8")


def _copied(library: Library) -> dict[str, object]:
    source, target = HERE / "node_modules" / library.name, library.into / library.name
    target.mkdir()
    for name in library.files:
        shutil.copyfile(source / name, target / Path(name).name)
    if library.licence is not None:
        shutil.copyfile(library.licence, target / "LICENSE.txt")
    package = json.loads((source / "package.json").read_text(encoding="utf-8"))
    return {
        "version": package["version"],
        "license": package["license"],
        "files": {
            each.name: "sha384-" + base64.b64encode(sha384(each.read_bytes()).digest()).decode()
            for each in sorted(target.iterdir())
        },
    }


if __name__ == "__main__":
    collect()
