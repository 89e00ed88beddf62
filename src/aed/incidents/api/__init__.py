"""Routes of the lookup, of incidents and of drills."""

from fastapi import APIRouter

from aed.incidents.api import alerts, board, centres, drills, incidents, live, nearest

router = APIRouter()
for part in (nearest, drills):
    router.include_router(part.router)
for part in (board, incidents, alerts, live, centres):
    router.include_router(part.router, tags=["incidents"])
