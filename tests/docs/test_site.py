"""The documentation builds as a site without broken links."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from tests.docs.blocks import ROOT, name_of, pages
from tests.shared_files import shared_by_workers

BUILDS = """
import sys
from sphinx.cmd.build import main

folder = sys.argv[1]
sys.exit(
    main(["-q", "-b", "gettext", "docs", f"{folder}/gettext"])
    or main(["-W", "--keep-going", "-q", "-b", "html", "docs", f"{folder}/en"])
)
"""
"""In one process, since half of the time of a build is the import of the program and of its documentation."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Return a folder with the site and the catalogues of its texts, and what building them printed.

    The first worker of a run builds them; the others wait for it.
    """
    with shared_by_workers(tmp_path_factory, "documentation") as folder:
        printed = folder / "printed.json"
        if not printed.exists():
            done = subprocess.run(
                [sys.executable, "-c", BUILDS, folder],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            printed.write_text(json.dumps([done.returncode, done.stdout]), encoding="utf-8")
    returncode, output = json.loads(printed.read_text(encoding="utf-8"))
    return folder, subprocess.CompletedProcess([], returncode, output)


def test_the_site_builds_without_warnings(built: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = built

    assert done.returncode == 0, done.stdout
    settings = (folder / "en/reference/settings.html").read_text(encoding="utf-8")
    assert "AED_ARRIVAL__REACTION_SECONDS" in settings


CATALOGUES = ["index", "use", "run", "connect", "decide", "work"]


def test_every_text_of_a_page_is_in_its_catalogue(
    built: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = built
    assert done.returncode == 0, done.stdout

    missing = []
    for name in CATALOGUES:
        catalogue = _catalogue(ROOT / f"docs/locale/zh_CN/LC_MESSAGES/{name}.po")
        texts = [message.id for message in _catalogue(folder / f"gettext/{name}.pot") if message.id]
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
