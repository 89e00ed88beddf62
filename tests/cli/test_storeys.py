"""Storeys on the command line."""

from __future__ import annotations

from aed.database.session import Database
from tests import make
from tests.cli.conftest import Aed
from tests.make import PATIENT, north_of


def test_the_command_line_accepts_a_storey(database: Database, aed: Aed) -> None:
    with database.write_sessions.begin() as session:
        make.device(session, of=make.estate(session), at=north_of(PATIENT, metres=90), floor=2)
    where = ("nearest", PATIENT.lat, PATIENT.lon)

    assert '"zh": "3楼（floor 2）"' in aed(*where, "--room", "301室", "--json", warns=True).out
    assert "contradict" in aed(*where, "--storey", "3", "--floor", "3", fails=True).err
