"""Routes of the lookup, of incidents and of drills."""

from fastapi import APIRouter

from aed.incidents.api import alerts, board, centres, correcting, drills, incidents, live, steering
from aed.lookup.api import add_lookup as add_lookup

router = APIRouter()
router.include_router(drills.router)
for part in (board, steering, correcting, incidents, alerts, live, centres):
    router.include_router(part.router, tags=["incidents"])
