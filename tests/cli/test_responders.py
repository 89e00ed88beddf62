"""aed responders: records that the office enters for people."""

from __future__ import annotations

import re

from sqlalchemy.orm import Session

from aed.responders.rules import WORDINGS
from tests import make
from tests.cli.conftest import Aed


def test_a_responder_offers_pauses_and_leaves_through_the_command_line(aed: Aed, session: Session) -> None:
    make.region(session)
    person = make.person(session).id
    session.commit()
    words = aed("responders", "consent-texts").out
    assert all(each[-1].zh in words and each[-1].en in words for each in WORDINGS.values())

    def state() -> str:
        found = re.search(r"state +(\w+)", aed("responders", "show", person).out)
        assert found is not None
        return found[1]

    offer = ("responders", "register", person, "30.29", "120.1", "--region", "CN-33")
    assert "being_called" in aed(*offer, "--agreed", "place_on_duty", fails=True).err
    at_work = (*offer, "--place", "work", "--availability", "Mo-Fr 08:00-22:00")
    assert "place_on_duty" in aed(*at_work, "--agreed", "being_called", fails=True).err
    made = aed(*at_work, "--agreed", "being_called", "--agreed", "place_on_duty")
    assert "is not called without one" in made.out
    assert state() == "active"

    aed("responders", "hours", person, "Sa-Su")
    place = ("responders", "place", person, "30.291", "120.11")
    assert "contradict" in aed(*place, "--floor", 3, "--storey", "3楼", fails=True).err
    aed(*place, "--place", "work", "--storey", "B1")
    aed(*place, "--floor", 3)
    shown = aed("responders", "show", person).out
    there = "30.291000 120.110000, 4楼（floor 3） storey 4 (floor 3)"
    assert all(each in shown for each in ("Sa-Su", "place (work)", there))
    assert "30.291000 120.110000, 地下1层（floor -1）" in shown, "the place of another kind is kept"
    assert "offset" in aed("responders", "pause", person, "tomorrow", fails=True).err
    aed("responders", "pause", person, "2099-01-01T00:00:00+08:00")
    assert "2098-12-31" in aed("responders", "show", person).out
    aed("responders", "resume", person)
    aed("responders", "withdraw-consent", person, "place_on_duty")
    shown = aed("responders", "show", person).out
    assert "place (work)" not in shown
    assert "2098-12-31" not in shown
    aed("responders", "add-consent", person, "place_on_duty")
    aed("responders", "leave", person)
    assert state() == "withdrawn"
    assert "no offer yet" in aed("responders", "resume", person, fails=True).err
    assert aed("responders", "show", person).out.count("place_on_duty") == 2, "the history is kept"
