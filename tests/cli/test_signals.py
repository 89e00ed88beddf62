"""aed signals."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Aed


def test_all_errors_of_a_new_source_are_reported_at_once(aed: Aed, tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.json"
    mapping.write_text('{"topics": ["a/#/b"], "readings": {}}')

    said = aed("signals", "add", "Guard Box", mapping, fails=True).err

    assert "give either --estate or --region" in said
    assert "such as guardbox" in said
    assert "mapping.topics.0" in said
