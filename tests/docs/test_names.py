"""The documentation uses the real names of commands, routes, modules and files."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer.main

from aed import cli
from tests.apps import served_document
from tests.docs.blocks import ROOT, name_of, pages

FOLDERS = ("src/", "tests/", "deploy/", "docs/", "geodata/")
MADE_LATER = ("docs/_build", "docs/reference")
METHODS = ("", "GET", "POST", "PUT", "PATCH", "DELETE")
UNDOCUMENTED = {"/healthz", "/readyz", "/metrics", "/docs", "/v1/openapi.json"}
"""Routes that the OpenAPI document omits or may omit."""


def named(page: Path) -> list[str]:
    """Return the `code` spans of a page, outside of blocks."""
    text = re.sub(
        r"^[ ]*```.*?^[ ]*```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    return re.findall(r"`([^`\n]+)`", text)


@cache
def routes() -> set[str]:
    document = served_document()
    return {
        f"{method.upper()} {without_names(path)}"
        for path, item in document["paths"].items()
        for method in item
    }


def without_names(path: str) -> str:
    """Remove parameter names: `/v1/incidents/{id}/live` becomes `/v1/incidents/{}/live`."""
    return re.sub(r"\{\w+\}|(?<=/)[0-9]+(?=/|$)", "{}", path)


def is_command(words: list[str]) -> bool:
    command: Any = typer.main.get_command(cli.app)
    for word in words:
        inside = getattr(command, "commands", None)
        if inside is None or not re.fullmatch("[a-z][a-z-]+", word):
            return True
        if word not in inside:
            return False
        command = inside[word]
    return True


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_commands_are_called_so(page: Path) -> None:
    commands = [
        each.removeprefix(".venv/bin/").split()[1:] for each in named(page) if re.match(r"aed [a-z]", each)
    ]

    assert [words for words in commands if not is_command(words)] == []


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_routes_are_called_so(page: Path) -> None:
    paths = {route.split()[1] for route in routes()} | UNDOCUMENTED
    missing = []
    for each in named(page):
        method, _, path = each.rpartition(" ")
        path = without_names(path.partition("?")[0])
        if "…" in path or not re.match(r"/(v1|ogc|tiles|[a-z]+z$)", path) or method not in METHODS:
            continue
        if (f"{method} {path}" if method else path) not in (routes() if method else paths):
            missing.append(each)
    assert missing == []


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_modules_and_files_are_called_so(page: Path) -> None:
    modules = [
        each
        for each in named(page)
        if re.fullmatch(r"aed(\.[a-z_]+)+(?<!\.keys)", each) and find_spec(each) is None
    ]
    files = [
        each
        for each in named(page)
        if each.startswith(FOLDERS) and not each.startswith(MADE_LATER) and not (ROOT / each).exists()
    ]
    assert modules + files == []
