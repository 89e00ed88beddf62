"""Identity numbers as learners give them."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_SHOWN: Final = re.compile(r"[A-Z]{0,3}[0-9*]{3,28}[0-9X*]")


def identity_number(text: str) -> str | None:
    """Return an identity number without spaces and hyphens; None if it is not one."""
    bare = "".join(unicodedata.normalize("NFKC", text).upper().split()).replace("-", "")
    return bare if _SHOWN.fullmatch(bare) else None
