"""Messages of the Common Alerting Protocol (CAP 1.2, OASIS, 1 July 2010).

standard.py   its elements, values and forms
reading.py    what a message says
writing.py    an incident as a message
"""

from aed.incidents.formats.cap.reading import read_cap
from aed.incidents.formats.cap.standard import MEDIA_TYPE, written
from aed.incidents.formats.cap.writing import CapPlace, cap_of_incident, write_cap

__all__ = ["MEDIA_TYPE", "CapPlace", "cap_of_incident", "read_cap", "write_cap", "written"]
