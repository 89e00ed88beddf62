"""aed regions, estates, gates, devices, consumables, holidays: the register by hand.

fields.py    NAME=VALUE words into the shapes that the API uses
rows.py      amend, withdraw, show, history: the same for whatever has an id
regions.py   estates.py   devices.py   holidays.py   the rest of each
"""

from aed.cli.register.devices import consumables_group, devices_group
from aed.cli.register.estates import estates_group, gates_group
from aed.cli.register.holidays import holidays_group
from aed.cli.register.regions import regions

__all__ = [
    "consumables_group",
    "devices_group",
    "estates_group",
    "gates_group",
    "holidays_group",
    "regions",
]
