"""Importing files: idempotent by source and id, whole or not at all, bad rows set aside with their reason.

devices.py, estates.py, responders.py, buildings.py   what each list is taken into
taking.py                               rows taken in batches, or set aside; the report
merging.py, matching.py, holding.py     devices: what is new, what is another list's, what holds
leaving.py                              devices: what a list no longer holds
reviews.py, deciding.py, joining.py     what a person is asked, and the answers
"""

from aed.imports.actions.buildings import BuildingReport, import_buildings
from aed.imports.actions.devices import import_devices
from aed.imports.actions.estates import import_estates
from aed.imports.actions.report import DeviceReport
from aed.imports.actions.responders import import_responders
from aed.imports.actions.taking import BadRow, ImportReport, NothingTaken, Progress, refuse_bad_rows

__all__ = [
    "BadRow",
    "BuildingReport",
    "DeviceReport",
    "ImportReport",
    "NothingTaken",
    "Progress",
    "import_buildings",
    "import_devices",
    "import_estates",
    "import_responders",
    "refuse_bad_rows",
]
