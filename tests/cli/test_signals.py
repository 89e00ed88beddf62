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


def test_trying_a_mapping_whose_serial_number_is_in_the_topic_needs_a_topic(aed: Aed, tmp_path: Path) -> None:
    message = tmp_path / "message.json"
    message.write_text('{"time": 1790049600, "battery": 87}')
    mapping = "docs/connect/examples/cabinet-mqtt-mapping.json"

    assert "--topic" in aed("signals", "try", mapping, message, fails=True).err
    assert "GB-1" in aed("signals", "try", mapping, message, "--topic", "cabinets/GB-1/status").out
