"""The documentation builds as a site without broken links."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from tests.docs.blocks import ROOT, name_of, pages


def test_the_site_builds_without_warnings(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", tmp_path / "en"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    assert built.returncode == 0, built.stdout
    settings = (tmp_path / "en/reference/settings.html").read_text(encoding="utf-8")
    assert "AED_ARRIVAL__REACTION_SECONDS" in settings


CATALOGUES = ["index", "use", "run", "connect", "decide", "work"]


def test_every_text_of_a_page_is_in_its_catalogue(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "gettext", "docs", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True)

    missing = []
    for name in CATALOGUES:
        catalogue = _catalogue(ROOT / f"docs/locale/zh_CN/LC_MESSAGES/{name}.po")
        texts = [message.id for message in _catalogue(tmp_path / f"{name}.pot") if message.id]
        missing += [text for text in texts if text not in catalogue]
    assert missing == []  # run `make docs-catalogues`, then translate what is new


@pytest.mark.parametrize("name", CATALOGUES)
def test_the_chinese_catalogues_are_translated(name: str) -> None:
    catalogue = _catalogue(ROOT / f"docs/locale/zh_CN/LC_MESSAGES/{name}.po")

    assert [message.id for message in catalogue if message.id and (message.fuzzy or not message.string)] == []


def _catalogue(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readme_is_short(name: str) -> None:
    assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_linked_page_exists(page: Path) -> None:
    linked = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8"))

    missing = [link for link in linked if not (page.parent / link).exists() and "reference/" not in link]
    assert missing == []
