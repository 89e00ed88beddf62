"""Quote text that people entered in messages that the network sends in its own name.

Recipients trust a message by its sender. So a name, a place or a note in it must not add a link, a phone
number, or a line that looks like another message.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_PLACE_CHARACTERS: Final = 60
MAX_REASON_CHARACTERS: Final = 120
SMS_CHARACTERS: Final = 70
"""Length of one SMS with Chinese characters (UCS-2)."""
SMS_CHARACTERS_ASCII: Final = 160
_MIN_NAME_CHARACTERS: Final = 4

_HALF_WIDTH: Final = {
    **{
        ord(each): unicodedata.normalize("NFKC", each)
        for each in map(chr, range(0xFF01, 0xFF5F))
        if unicodedata.normalize("NFKC", each).isalnum()
    },
    **dict.fromkeys(map(ord, "．․｡"), "."),
    **dict.fromkeys(map(ord, "／⁄∕"), "/"),
    ord("＠"): "@",
}
_LINK: Final = re.compile(r"[\w+.-]*:\s*/+\S*|\bwww\.\S*|\S*@\S*", re.IGNORECASE)
_DECIMAL: Final = re.compile(r"(?<![\w./])\d{1,4}\.\d{1,3}(?![\w./])")
_DOT_BEFORE_SOMETHING: Final = re.compile(r"\.(?=[^\s.,;:!?)」』）])")
_NUMBER_TO_RING: Final = re.compile(r"\+?\d(?:[\s()/.-]{0,3}\d){6,}")


def quote(words: str, *, limit: int) -> str:
    """Return `words` as one line of at most `limit` characters, without links and phone numbers.

    1. Full-width letters, digits and dots become ASCII; invisible characters and line breaks are removed.
    2. URLs, e-mail addresses, and runs of seven digits or more become "…".
    3. A dot inside a word is separated by spaces, since phones make a link of `example.cn`. Decimals stay.
       Dots at either end are removed, since they could join the text with what follows.
    """
    plain = "".join(
        " " if each.isspace() or unicodedata.category(each) in ("Cc", "Zl", "Zp") else each
        for each in words.translate(_HALF_WIDTH)
        if unicodedata.category(each) not in ("Cf", "Cs", "Co", "Cn")
    )
    plain = _LINK.sub("…", _NUMBER_TO_RING.sub("…", _LINK.sub("…", plain)))  # a number may hide a link
    kept, at = [], 0
    for decimal in _DECIMAL.finditer(plain):
        kept += [_split_words(plain[at : decimal.start()]), decimal.group()]
        at = decimal.end()
    line = " ".join("".join([*kept, _split_words(plain[at:])]).split()).strip(" .")
    return line if len(line) <= limit else line[: limit - 1].rstrip(" .") + "…"


def _split_words(words: str) -> str:
    return _DOT_BEFORE_SOMETHING.sub(". ", words)


def one_line(text: str) -> str:
    """Return the text with every line break and control character replaced by a space."""
    return "".join(" " if unicodedata.category(each) in ("Cc", "Zl", "Zp") else each for each in text)


def fit_name(head: str, name: str, tail: str, *, joint: str = "") -> str:
    """Return the text with the name cut to what fits into one SMS, or without it if too little fits.

    `joint` stands before the name, and goes with it. An SMS in GSM-7 has 160 characters, any other has 70.
    """
    is_gsm = _is_gsm(head + joint + tail) and _is_gsm(name.translate(_IN_GSM))
    if is_gsm:
        name = name.translate(_IN_GSM)
    room = (SMS_CHARACTERS_ASCII if is_gsm else SMS_CHARACTERS) - _units(head) - _units(joint) - _units(tail)
    words = quote(name, limit=MAX_PLACE_CHARACTERS)
    while _units(words) > room >= _MIN_NAME_CHARACTERS:
        words = quote(words, limit=len(words) - 1)
    if is_gsm:  # "…" is not in the alphabet of a long SMS, and would shorten all of it to 70
        words = " ".join(words.replace("…", " ").split()).strip(" .")
    if not words or _units(words) > room:
        return head.rstrip(" ：:，,") + tail
    return head + joint + words + tail


_IN_GSM: Final = str.maketrans("[]{}\\|~^`", "()()----'")
"""These ASCII characters are not in GSM-7, or count as two."""


def _is_gsm(text: str) -> bool:
    """True if each character is one of those of ASCII that count as one in GSM-7."""
    return text.isascii() and text.isprintable() and not set(text) & set("[]{}\\|~^`")


def _units(text: str) -> int:
    """Return the length of a text in an SMS: rare characters take two units of UCS-2."""
    return len(text.encode("utf-16-le")) // 2
