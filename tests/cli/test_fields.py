"""NAME=VALUE arguments: what their help lists, and the errors for invalid ones."""

from __future__ import annotations

import pytest

from aed.cli.fields import described
from aed.registry.devices.schemas import DeviceIn
from aed.training.sessions.schemas import SessionIn
from tests.cli.conftest import Aed


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)


WRONG = ("devices", "add", "lat=north", "colour=red", "stat=1", "floor=900", "keeper_phone=1")


def test_every_invalid_field_is_reported_at_once_with_the_valid_values(run: Aed) -> None:
    refused = run(*WRONG, fails=True).err

    assert "colour: unknown field; stat: unknown field; did you mean state?" in refused
    assert "lat: must be a number; lon: is required; floor: must be at most 200" in refused
    assert "keeper_name: is required" in refused
    assert ". Available fields: lat, lon, datum, place_en," in refused


@pytest.mark.parametrize(("name", "value"), [("LANG", "zh_CN.UTF-8"), ("LC_ALL", "zh_TW")])
def test_a_chinese_locale_gets_chinese_sentences(
    run: Aed, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    refused = run(*WRONG, fails=True).err

    assert "stat: 没有这个字段，您是否要写 state？" in refused
    assert "lat: 必须是数字; lon: 必填; floor: 不得大于 200" in refused
    assert "应写作“名称=值”" in run("devices", "add", "lat", fails=True).err


def test_lc_all_takes_precedence_over_lang(run: Aed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")

    assert "is not NAME=VALUE" in run("devices", "add", "lat", fails=True).err


def test_every_malformed_argument_is_reported_at_once(run: Aed) -> None:
    assert (
        "'lat', 'lon' are not NAME=VALUE." in run("devices", "add", "lat", "lon", "floor=1", fails=True).err
    )


def test_the_help_lists_each_field_with_its_values_and_an_example(run: Aed) -> None:
    shown = run("consumables", "fit", "--help").out

    assert "pads, child_pads, battery, cartridge; required" in shown
    assert "kind=pads" in shown
    assert "expires_on=2028-06-30" in shown


@pytest.mark.parametrize("schema", [DeviceIn, SessionIn])
def test_positions_are_listed_in_the_form_in_which_they_are_entered(
    schema: type[DeviceIn | SessionIn],
) -> None:
    rows = {name: (meaning, example) for name, meaning, example in described(schema)}

    assert rows["datum"][0] == "wgs84, gcj02, bd09"
    assert rows["lat"][1].startswith("lat=")
    assert "position" not in rows
