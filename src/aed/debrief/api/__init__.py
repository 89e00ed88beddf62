"""Routes of what comes after a call."""

from fastapi import APIRouter

from aed.debrief.api import outcomes, reports, statistics

router = APIRouter()
for part in (outcomes, reports):
    router.include_router(part.router, tags=["incidents"])
router.include_router(statistics.router, tags=["statistics"])
