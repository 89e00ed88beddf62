"""Routes of upkeep."""

from fastapi import APIRouter

from aed.upkeep.api import checks, due, policies, recalls, reports

router = APIRouter(tags=["upkeep"])
for part in (policies, checks, reports, due, recalls):
    router.include_router(part.router)
