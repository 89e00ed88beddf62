"""Routes of the lookup and of drills."""

from fastapi import APIRouter

from aed.incidents.api import drills, nearest

router = APIRouter()
for part in (nearest, drills):
    router.include_router(part.router)
