"""aed drills."""

from __future__ import annotations

from sqlalchemy.orm import Session

from aed.registry.devices.models import Device
from aed.settings import Settings
from tests import make
from tests.cli.conftest import Aed, CommandResult
from tests.make import PATIENT, north_of

ENOUGH = Settings().drills.min_drills


def test_a_drill_is_run_on_the_command_line(aed: Aed, session: Session) -> None:
    estate = make.estate(session, name_en="Lake Court")
    device_id = make.device(session, of=estate).id
    session.commit()
    start = (PATIENT.lat + 0.001, PATIENT.lon)

    def add_drill(seconds: float, *more: object) -> CommandResult:
        return aed("drills", "add", device_id, *start, seconds, "--floor", 1, *more, warns=True)

    result = add_drill(190, "--note", "stairs")
    assert "166 m one way, 190 s there and back" in result.out
    assert "Lake Court: 1 drill;" in result.out
    assert "general pace until there are 10 drills" in result.out
    device = session.get_one(Device, device_id)
    for number in range(ENOUGH - 1):
        make.drill(session, device, start=north_of(PATIENT, metres=50.0 * number), seconds=100 + 60 * number)
    session.commit()
    assert "uses the pace of this estate" in aed("drills", "pace", estate.id).out
    listed = aed("drills", "list", device_id).out
    assert "190 s" in listed
    assert "2F (floor 1)" in listed
    assert "1F (floor 0)" in aed("devices", "list").out
    assert "straight_line" in listed
    assert "is deleted" in aed("drills", "withdraw", 1).out
    assert "190 s" not in aed("drills", "list", device_id).out
    assert "seconds" in aed("drills", "add", device_id, *start, 2, fails=True).err
    assert "UUID" in aed("drills", "add", device_id, *start, 100, "--key", "x", fails=True).err
    assert "Device 999" in aed("drills", "add", 999, *start, 100, fails=True).err
