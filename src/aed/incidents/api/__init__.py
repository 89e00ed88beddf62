"""Routes of incidents and drills."""

from fastapi import APIRouter

from aed.incidents.api import alerts, board, cap, centres, correcting, drills, incidents, live, steering

router = APIRouter()
router.include_router(drills.router)
for part in (board, steering, correcting, incidents, alerts, live, centres, cap):
    router.include_router(part.router, tags=["incidents"])
