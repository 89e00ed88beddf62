"""Put screenshots of the browser tests into the documentation, after `make screens`.

Each picture has 800 lines of a page at 1,280 pixels in English, and one in Chinese beside it, which Sphinx
takes for the Chinese site.
"""

from __future__ import annotations

from typing import Final

from PIL import Image

from tests.browser.checks import ROOT, SCREENS

PICTURES: Final = ROOT / "docs/_static/desks"
NAMES: Final = {
    "board": "board",
    "estate": "estate-desk",
    "lists": "list",
    "rounds": "rounds-assign",
    "training": "training-roster",
    "time-bank": "time-bank-desk",
    "region": "region",
    "administration": "administration",
}
"""Name of each picture, and of its screenshot."""
FROM_BOTTOM: Final = {"rounds"}
"""Pictures of the end of a page; the others show its top."""
HEIGHT: Final = 800
COLOURS: Final = 64
LANGUAGES: Final = {"en": "", "zh": ".zh_CN"}
"""Language of a screenshot, and how Sphinx marks the picture for it."""


def put_into_docs() -> None:
    """Write the pictures of all screenshots that exist."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, screen in NAMES.items():
        for language, mark in LANGUAGES.items():
            source = SCREENS / f"{screen}-1280-{language}.png"
            if not source.exists():
                continue
            with Image.open(source) as shot:
                height = min(HEIGHT, shot.height)
                top = shot.height - height if name in FROM_BOTTOM else 0
                picture = shot.convert("RGB").crop((0, top, shot.width, top + height))
            path = PICTURES / f"{name}{mark}.png"
            picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    put_into_docs()
