"""Vocabulary of the interface: a search for wrong terms in every text that people see."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

import aed

SOURCES: Final = Path(aed.__file__).parent
READS_OTHERS_WORDS: Final = ("migrations/",)
FORBIDDEN: Final = {
    "a diagnosis that nobody has made": r"(?<!疑似)(?<!确认的)(?<!确认为)心脏骤停",
    "the same in English": r"(?i)(?<!suspected )(?<!confirmed as )(?<!it was a )cardiac arrest",
    "外箱柜体": r"箱体",
    "导向标识": r"指示牌",
    "除颤": r"电击",
    "已移交120急救人员": r"移交救护车|交接急救人员",
    "未能取到": r"派人取用未成",
    "急救志愿者": r"急救员|施救者|应答者|响应者",
    "救护员 is only on the Red Cross card": r"救护员(?!证)",
    "AED管理员": r"责任人|保管人",
    "接应，并留住电梯": r"按住电梯",
}
"""Patterns of wrong terms, by the reason or the term to use instead."""
ALLOWED: Final = {"issuers/schemas.py": "救护员", "imports/formats/guess.py": "(负责人|責任人|"}
"""An example of an issuer's own certificate code, and headings of the lists of others."""


@cache
def texts() -> list[tuple[str, str]]:
    """Return each string of the program except docstrings, and each page and template as one string."""
    found = []
    for path in sorted(SOURCES.rglob("*")):
        name = path.relative_to(SOURCES).as_posix()
        if any(name.startswith(each) for each in READS_OTHERS_WORDS):
            continue
        if path.suffix == ".py":
            tree = ast.parse(path.read_text())
            docstrings = {
                id(node.value)
                for node in ast.walk(tree)
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            }
            for node in ast.walk(tree):
                if (
                    isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and id(node) not in docstrings
                ):
                    found.append((name, node.value))
        elif path.suffix in (".js", ".html", ".typ", ".jinja", ".po", ".yaml", ".css"):
            found.append((name, path.read_text()))
    return found


@pytest.mark.parametrize("instead", FORBIDDEN)
def test_no_text_uses_a_word_that_the_field_avoids(instead: str) -> None:
    pattern = re.compile(FORBIDDEN[instead])
    found = [
        (name, text.strip()[:80])
        for name, text in texts()
        if pattern.search(text) and not (name in ALLOWED and ALLOWED[name] in text)
    ]
    assert found == []


def test_the_search_reads_the_texts_that_people_see() -> None:
    found = texts()
    assert any("疑似心脏骤停" in text for _, text in found)
    read = {name for name, _ in found}
    assert {"web/locale/zh_CN/LC_MESSAGES/checks.po", "debrief/reports/report.typ"} <= read
