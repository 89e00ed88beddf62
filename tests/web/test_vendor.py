"""Vendored browser libraries: what is committed is what `vendor.json` and the lock file name."""

from __future__ import annotations

import base64
import json
from hashlib import sha384
from pathlib import Path

import pytest

from tests.web.catalogue import WEB

ROOT = Path(__file__).parents[2]
FOLDERS = (WEB / "vendor", ROOT / "tests/browser/vendor")


@pytest.mark.parametrize("folder", FOLDERS, ids=["served", "tested"])
def test_each_vendored_file_has_the_hash_in_its_list(folder: Path) -> None:
    listed = json.loads((folder / "vendor.json").read_text(encoding="utf-8"))
    assert {each.name for each in folder.iterdir() if each.is_dir()} == set(listed)
    for name, library in listed.items():
        found = {
            each.name: "sha384-" + base64.b64encode(sha384(each.read_bytes()).digest()).decode()
            for each in (folder / name).iterdir()
        }
        assert found == library["files"], name
        assert any("LICENSE" in each for each in found), name


def test_the_versions_are_those_of_the_lock_file_which_names_no_other_registry() -> None:
    text = (ROOT / "deploy/vendor/package-lock.json").read_text(encoding="utf-8")
    packages = json.loads(text)["packages"]
    for folder in FOLDERS:
        for name, library in json.loads((folder / "vendor.json").read_text(encoding="utf-8")).items():
            locked = packages[f"node_modules/{name}"]
            assert (locked["version"], locked["license"]) == (library["version"], library["license"])
    for name, each in packages.items():
        assert not name or each["integrity"].startswith("sha512-"), name
        assert each.get("resolved", "https://registry.npmjs.org/").startswith("https://registry.npmjs.org/")
