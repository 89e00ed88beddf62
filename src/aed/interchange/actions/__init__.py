"""Importing files: idempotent by source and id, whole or not at all, bad rows set aside with their reason.

devices.py, estates.py, responders.py   what each list is taken into
taking.py                               rows taken in batches, or set aside; the report
"""

from aed.interchange.actions.devices import import_devices
from aed.interchange.actions.estates import import_estates
from aed.interchange.actions.responders import import_responders
from aed.interchange.actions.taking import BadRow, ImportReport, Progress

__all__ = ["BadRow", "ImportReport", "Progress", "import_devices", "import_estates", "import_responders"]
