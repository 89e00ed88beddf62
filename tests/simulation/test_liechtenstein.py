"""A simulation with a country's real devices, hours, buildings and streets."""

from __future__ import annotations

import pytest

from aed.simulation.queries import read_list_of_devices, read_world
from aed.simulation.rules.figures import Compared, DeviceSharing, summary
from aed.simulation.rules.policies import Strategy
from aed.simulation.rules.running import simulate
from tests import liechtenstein
from tests.simulation.worlds import NUMBERS

pytestmark = pytest.mark.skipif(not liechtenstein.IS_HERE, reason=liechtenstein.WHY_NOT)


def test_in_liechtenstein_the_plan_brings_more_devices_and_reaches_every_patient() -> None:
    read = read_list_of_devices(liechtenstein.DEVICES)
    world = read_world(liechtenstein.STREETS, read.devices, time_zone="Europe/Vaduz", network=None)
    assert (len(read.devices), read.bad, int(world.private.sum()), len(world.areas)) == (148, 0, 33, 310)
    assert len(world.homes) > 13_000
    assert len(world.elsewhere) > 3_000

    found = simulate(world, incidents=60, seed=1, numbers=NUMBERS, responders=400)

    plan = summary(found, Compared(Strategy.PLAN, DeviceSharing.OPEN))
    on_foot = summary(found, Compared(Strategy.WALK, DeviceSharing.OPEN))
    assert plan.gains.mean + plan.gains.within > 0
    assert plan.share_shock_before_ambulance > on_foot.share_shock_before_ambulance
    assert plan.share_alone <= on_foot.share_alone
    assert plan.alerts < 1.5 * on_foot.alerts
    assert 5 < plan.survival < 45
