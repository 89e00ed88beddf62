"""Read XML into a small tree, expanding and fetching nothing, and escape text for XML."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from xml.parsers.expat import ExpatError, ParserCreate
from xml.sax.saxutils import escape

from aed.errors import InvalidInput, TooLarge

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


MAX_BYTES: Final = 1_000_000
MAX_ELEMENTS: Final = 10_000
MAX_DEPTH: Final = 20


@dataclass(slots=True)
class Element:
    """An element with its own text, trimmed, and what it holds. Attributes are left."""

    namespace: str
    name: str
    text: str = ""
    children: list[Element] = field(default_factory=list)


def xml_tree(content: bytes) -> Element:
    """The outermost element.

    Raises InvalidInput for what is no XML, has a document type (and with it entities), or lies too deep;
    TooLarge.
    """
    if len(content) > MAX_BYTES:
        raise TooLarge("The file is too large: at most {max_bytes} bytes are accepted.", max_bytes=MAX_BYTES)
    top = Element("", "")
    path, count = [top], 0

    def begin(name: str, _attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > MAX_ELEMENTS or len(path) > MAX_DEPTH:
            raise InvalidInput(
                "The file is too complex: at most {max_elements} elements, nested at most "
                "{max_depth} deep, are accepted.",
                field="body",
                max_elements=MAX_ELEMENTS,
                max_depth=MAX_DEPTH,
            )
        namespace, _, local = name.rpartition(" ")
        element = Element(namespace, local)
        path[-1].children.append(element)
        path.append(element)

    def end(_name: str) -> None:
        element = path.pop()
        element.text = element.text.strip()

    def say(text: str) -> None:
        path[-1].text += text

    def refuse(*_declared: object) -> None:
        raise InvalidInput("Remove <!DOCTYPE …>: document types and entities are not accepted.", field="body")

    parser = ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler = say
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except (ExpatError, ValueError, LookupError) as error:
        raise InvalidInput("The file is not valid XML: {error}.", field="body", error=error) from None
    return top.children[0]
