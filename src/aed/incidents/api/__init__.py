"""Routes of the lookup, of incidents and of drills."""

from fastapi import APIRouter

from aed.incidents.api import drills, incidents, nearest

router = APIRouter()
for part in (nearest, drills):
    router.include_router(part.router)
router.include_router(incidents.router, tags=["incidents"])
