"""The language of the commands' own messages: Chinese where the locale is Chinese, otherwise English."""

from __future__ import annotations

import os

from aed.errors import AedError
from aed.translation import CHINESE, SOURCE, detail_of


def is_chinese() -> bool:
    """Return whether the locale asks for Chinese (LC_ALL, LC_MESSAGES, LANG: the first that is set)."""
    names = (os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return next((name for name in names if name), "").lower().startswith("zh")


def either(en: str, zh: str) -> str:
    """Return the sentence in the user's language."""
    return zh if is_chinese() else en


def in_own_language(error: AedError) -> str:
    """Return what an expected error says, in the user's language."""
    return detail_of(error, CHINESE if is_chinese() else SOURCE)
