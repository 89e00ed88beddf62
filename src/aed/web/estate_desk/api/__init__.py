"""Routes of the estate's desk, for its manager and the administrators of its region.

device_list.py  /desk, /desk/{estate_id}: the list, ticked devices, the queue, saved filters
device.py       /desk/{estate_id}/devices
people.py       /desk/{estate_id}/people
gates.py        /desk/{estate_id}/gates
spares.py       /desk/{estate_id}/spares
"""

from fastapi import APIRouter

from aed.web.estate_desk.api import device, device_list, gates, people, spares

router = APIRouter()
for part in (gates, device_list, device, people, spares):
    router.include_router(part.router)
