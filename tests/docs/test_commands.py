"""Every command in the README and the documentation works, in the order shown."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks, name_of, pages
from tests.docs.shell import Shell
from tests.shared_files import shared_by_workers

RUNNABLE = [page for page in pages() if any(block.reason is None for block in blocks(page))]
NOT_RUN = {
    "CONTRIBUTING.md": 1,
    "docs/connect/cabinets.md": 1,
    "docs/connect/feeds.md": 1,
    "docs/connect/issuers.md": 1,
    "docs/run/backup.md": 2,
    "docs/run/city.md": 3,
    "docs/run/cluster.md": 2,
    "docs/run/accounts.md": 1,
    "docs/run/estate.md": 3,
    "docs/run/index.md": 1,
    "docs/run/provinces.md": 2,
    "docs/run/upgrades.md": 2,
    "docs/run/web-server.md": 2,
    "docs/use/training-rosters.md": 2,
    "docs/work/testing.md": 1,
    "docs/work/translating.md": 1,
}
"""The number of blocks per page that can't be run; each states its reason."""


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the state after `make demo`: the database, its keys, the walking network."""
    with shared_by_workers(tmp_path_factory, "demo") as folder:
        state = folder / "state"
        if not state.exists():
            shell = Shell(folder / "checkout")
            shell.run("make demo")
            (shell.folder / ".state").rename(state)
    return state


@pytest.mark.parametrize("page", RUNNABLE, ids=name_of)
def test_the_commands_of_a_page_work_in_the_order_shown(page: Path, demo: Path, tmp_path: Path) -> None:
    with Shell(tmp_path / "checkout") as shell:
        shutil.copytree(demo, shell.folder / ".state")
        for block in blocks(page):
            for command in block.commands if block.reason is None else ():
                if command == "make demo" or (command.startswith("node ") and not shutil.which("node")):
                    continue  # the first block created `demo`
                shell.run(command)


def test_blocks_that_are_not_run_are_counted_and_say_why() -> None:
    skipped = [(name_of(page), block.reason) for page in pages() for block in blocks(page) if block.reason]

    assert Counter(name for name, _ in skipped) == NOT_RUN


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_command_shown_is_in_a_shell_block(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    outside = re.sub(r"^[ ]*```sh\n.*?^[ ]*```$", "", text, flags=re.MULTILINE | re.DOTALL)

    assert re.findall(r"^[ ]*(?:\.venv/bin/|make |curl ).*$", outside, re.MULTILINE) == []


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_worked_examples_in_python_and_javascript_print_the_same(demo: Path, tmp_path: Path) -> None:
    with Shell(tmp_path / "checkout") as shell:
        shutil.copytree(demo, shell.folder / ".state")
        shell.run("make serve")
        shown = [
            shell.run(f"{program} docs/connect/examples/nearest.{ending} http://127.0.0.1:8000")
            for program, ending in (("python3", "py"), ("node", "mjs"))
        ]

    assert shown[0] == shown[1]
    assert shown[0].startswith("Call 120 first")
    assert (ROOT / "docs/connect/examples/nearest.py").exists()
