"""Mapping files: they make an unknown list readable without code; a faulty one is reported precisely."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter

from aed.errors import InvalidInput
from aed.imports.findings import FindingKind
from aed.imports.formats.mapping import MAX_MAPPING_BYTES, built_in_mappings, mapping_from, mapping_of
from aed.imports.formats.recognise import DeviceFormat, read_devices
from aed.imports.schemas import DeviceRow

ROW = TypeAdapter(DeviceRow)

DUTCH = """
name: gemeente
title: Een gemeente
encodings: [utf-8, cp1252]
delimiters: [";"]
country: NL
language: nl
source: gemeente
position:
  text: [punt, locatie]
  order: lat,lon
id:
  columns: [[nummer]]
  content: [[naam]]
fields:
  place: [[naam], [adres]]
  floor: {columns: verdieping, transform: floor, ground: 0}
  state:
    columns: [status]
    transform: choice
    choices: {actief: in_service, defect: out_of_service, no: withdrawn}
  pads_expire_on:
    columns: [pads]
    transform: date
    placeholders: [01-01-1900]
constants: {audience: public}
other_columns: keep
"""
LIST = """Lijst van AED's;;;;;;
nummer;naam;adres;locatie;verdieping;status;pads;sleutel
1;Stadhuis;Plein 1;(52,37 4.89);2;Actief;31-05-2027;bij de balie
2;Café;Straat 2;52.38, 4.90;kelder;kapot;01-01-1900;
3;Zaal;Straat 3;52.38;;no;;
"""


def read(tmp_path: Path, text: str = LIST, encoding: str = "cp1252") -> list[dict[str, object]]:
    (tmp_path / "map.yaml").write_text(DUTCH, encoding="utf-8")
    path = tmp_path / "aeds.csv"
    path.write_bytes(text.encode(encoding))
    return [dict(record.fields) for record in read_devices(path, mapping=mapping_of(tmp_path / "map.yaml"))]


def test_an_unknown_list_is_read_with_a_mapping(tmp_path: Path) -> None:
    one, two, three = read(tmp_path, LIST.replace("52,37", "52.37"))

    device = ROW.validate_python(one)
    assert (device.source, device.source_id, device.lat, device.lon) == ("gemeente", "1", 52.37, 4.89)
    assert (device.floor, device.state, str(device.pads_expire_on)) == (2, "in_service", "2027-05-31")
    assert (device.place_en, device.access_instructions_en) == ("Stadhuis · Plein 1", "sleutel: bij de balie")
    assert ROW.validate_python(two).place_en == "Café · Straat 2"
    assert "state" not in two
    assert three["state"] == "withdrawn"
    assert three["lat"] == "52.38"


def test_doubtful_values_of_a_mapped_list_are_found(tmp_path: Path) -> None:
    read(tmp_path)
    _, two, _ = read_devices(tmp_path / "aeds.csv", mapping=mapping_of(tmp_path / "map.yaml"))
    found = {finding.kind: finding for finding in two.findings}
    assert set(found) == {
        FindingKind.VALUE_NOT_UNDERSTOOD,
        FindingKind.DATE_IS_A_PLACEHOLDER,
        FindingKind.FLOOR_NOT_UNDERSTOOD,
    }
    assert found[FindingKind.VALUE_NOT_UNDERSTOOD].column == "status"
    assert found[FindingKind.VALUE_NOT_UNDERSTOOD].read == "kapot"
    assert found[FindingKind.VALUE_NOT_UNDERSTOOD].right == "actief, defect, no"
    assert found[FindingKind.VALUE_NOT_UNDERSTOOD].where == "line 4"


def test_the_source_of_a_mapping_can_be_overridden(tmp_path: Path) -> None:
    read(tmp_path)
    reading = read_devices(
        tmp_path / "aeds.csv", mapping=mapping_of(tmp_path / "map.yaml"), source="other-town"
    )
    assert (reading.source, next(reading).fields["source"]) == ("other-town", "other-town")


def test_the_missing_position_columns_of_a_list_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"names the columns punt.*first line is: a, b"):
        read(tmp_path, "a;b\n1;2\n")


def test_the_built_in_mappings_are_the_formats_of_the_command() -> None:
    names = {mapping.name for mapping in built_in_mappings()}
    assert names == {"geodae", "hongkong", "japan", "korea", "taiwan", "taiwan-scrape"}
    assert names <= {form.value for form in DeviceFormat}


@pytest.mark.parametrize(
    ("change", "to", "says"),
    [
        ("name: gemeente", "name: Ge Meente", "name: must match"),
        ("title: Een gemeente\n", "", "title: is required"),
        ("country: NL", "country: Nederland", "country: must match ^[A-Z]{2}$ (it is 'Nederland')"),
        ("encodings: [utf-8, cp1252]", "encodings: utf-9", "'utf-9' is not an encoding"),
        ("encodings: [utf-8, cp1252]", "encodings: base64", "'base64' is not a text encoding"),
        ('delimiters: [";"]', "delimiters: [semicolon]", "a delimiter must be one character"),
        ("  order: lat,lon\n", "", "position: `text` requires `order`"),
        ("  text: [punt, locatie]\n", "", "give `lat` and `lon`, or `text` and `order`"),
        ("order: lat,lon", "order: xy", "position.order: must be 'lat,lon' or 'lon,lat'"),
        ("ground: 0", "ground: 2", "fields.floor.ground"),
        (", ground: 0", "", "fields.floor: a floor requires `ground`"),
        ("transform: date", "transform: datum", "fields.pads_expire_on.transform: must be"),
        ("  place:", "  plaats:", "'plaats' is not a field; the fields are place,"),
        ("constants: {audience: public}", "constants: {colour: red}", "'colour' is not a field"),
        ("other_columns: keep", "other_collumns: keep", "other_collumns: is not a key of mapping files"),
        ("other_columns: keep", "other_columns: maybe", "must be 'report', 'ignore' or 'keep'"),
        ("other_columns: keep", "hours: {how: weekly}", "hours of the kind weekly require `days`"),
        (
            "other_columns: keep",
            "hours: {how: weekly, days: {Monday: {start: a, end: b}}}",
            "'Monday' must be days such as Mo-Fr",
        ),
        ("name: gemeente", "name: gemeente\nname: twice", "(line 3): the key 'name' occurs twice"),
        ("name: gemeente", "name: [", "is not YAML (line"),
        ("name: gemeente", "name: &a gemeente", "anchor or alias (& or *) in line 2"),
        ("country: NL", "country: *a", "anchor or alias"),
        ("name: gemeente", "name: !!python/object/apply:os.system [ls]", "name"),
        ("name: gemeente", "? [a, b]\n: c", "a key must be text"),
        (DUTCH, "- a\n- b\n", "must consist of keys and values"),
        (DUTCH, "just text", "must consist of keys and values"),
        (DUTCH, "", "must consist of keys and values"),
        (DUTCH, "a: 1\n---\nb: 2\n", "several documents"),
        (DUTCH, "a: " + "[" * 50_000, "nested too deeply"),
        (DUTCH, "a: [" + "x, " * 50_000 + "]", "too long"),
        (DUTCH, "a: \x01", "is not YAML"),
    ],
)
def test_a_bad_mapping_file_is_refused_with_its_key_and_advice(change: str, to: str, says: str) -> None:
    assert change in DUTCH
    with pytest.raises(InvalidInput) as caught:
        mapping_from(DUTCH.replace(change, to), "map.yaml")
    assert says in caught.value.detail
    assert caught.value.field == "mapping"


def test_files_that_are_not_mappings_are_refused(tmp_path: Path) -> None:
    large, binary = tmp_path / "large.yaml", tmp_path / "binary.yaml"
    large.write_bytes(b"#" * (MAX_MAPPING_BYTES + 1))
    binary.write_bytes(b"\xff\xfe\x00")
    for path, says in [
        (tmp_path / "nothing.yaml", "There is no mapping file"),
        (tmp_path, "There is no mapping file"),
        (large, "is larger than"),
        (binary, "is not UTF-8"),
        (Path("a\x00b"), "mapping file"),
    ]:
        with pytest.raises(InvalidInput, match=says):
            mapping_of(path)


def test_yaml_values_are_read_as_text_only() -> None:
    mapping = mapping_from(DUTCH.replace("country: NL", "country: NO"), "map.yaml")
    assert mapping.country == "NO"
    assert mapping.fields["state"].choices["no"] == "withdrawn"
