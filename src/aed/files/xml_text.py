"""Text in XML, which has no way to write some characters at all."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """For between tags."""
    return escape(_NOT_IN_XML.sub("\ufffd", text))


def xml_attribute(text: str) -> str:
    """For between double quotation marks; line ends and tabs survive as references."""
    return escape(
        _NOT_IN_XML.sub("\ufffd", text),
        {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"},
    )
